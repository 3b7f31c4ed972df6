// On a busy machine a thread that only waits for a device sits behind whole slices of those that compute, three
// milliseconds each, before and after every operation. Since Linux 6.12 a thread may ask for short slices (sched(7):
// sched_runtime under SCHED_OTHER); they need no privilege, give it no more of the processor, and put it in front when it
// wakes.
#include "sys/slice.h"

#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>

namespace attestd {

namespace {

// struct sched_attr of linux/sched/types.h, which older headers lack.
struct SchedAttr {
  std::uint32_t size;
  std::uint32_t policy;  // 0: SCHED_OTHER
  std::uint64_t flags;
  std::int32_t nice;
  std::uint32_t priority;
  std::uint64_t runtime;  // nanoseconds
  std::uint64_t deadline;
  std::uint64_t period;
};

constexpr std::uint64_t kSliceNs = 100'000;  // the least that the kernel gives

}  // namespace

void askForShortSlices() {
  errno = 0;
  // The thread keeps its nice value: setting other attributes sets this one too.
  const int nice = getpriority(PRIO_PROCESS, static_cast<id_t>(syscall(SYS_gettid)));
  if (errno != 0) return;
  SchedAttr attr{};
  attr.size = sizeof attr;
  attr.nice = nice;
  attr.runtime = kSliceNs;
  syscall(SYS_sched_setattr, 0, &attr, 0);
}

}  // namespace attestd
