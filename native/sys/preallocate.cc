// File work that happens once per segment, not per record, and so may use the shared thread pool.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <vector>

#include "sys/file_worker.h"
#include "sys/sys.h"

namespace attestd {

namespace {

// posix_fallocate finds out early that the disk is full. The zeroes matter as well: an extent that was only reserved
// is marked "unwritten", and each first write into it would make fdatasync commit the file system's journal.
Failure fill(int fd, off_t size) {
  struct stat st {};
  if (fstat(fd, &st) != 0) return {errno, "fstat"};
  if (st.st_size < size) {
    if (const int error = posix_fallocate(fd, st.st_size, size - st.st_size); error != 0) {
      return {error, "posix_fallocate"};
    }
    const std::vector<char> zeroes(1 << 20);
    for (off_t at = st.st_size; at < size;) {
      const auto want = std::min<off_t>(static_cast<off_t>(zeroes.size()), size - at);
      const ssize_t n = pwrite(fd, zeroes.data(), static_cast<std::size_t>(want), at);
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) return {n < 0 ? errno : EIO, "pwrite"};
      at += n;
    }
  }
  if (fsync(fd) != 0) return {errno, "fsync"};
  return {0, ""};
}

}  // namespace

Napi::Value preallocate(const Napi::CallbackInfo& info) {
  const int fd = descriptor(info);
  const double size = info[1].IsNumber() ? info[1].As<Napi::Number>().DoubleValue() : -1;
  if (!(size >= 0 && size <= 9007199254740991.0)) throw Napi::TypeError::New(info.Env(), "size is not a length");
  return FileWorker::start(info.Env(), [fd, size] { return fill(fd, static_cast<off_t>(size)); });
}

Napi::Value syncFd(const Napi::CallbackInfo& info) {
  const int fd = descriptor(info);
  return FileWorker::start(info.Env(), [fd]() -> Failure {
    if (fsync(fd) != 0) return {errno, "fsync"};
    return {0, ""};
  });
}

}  // namespace attestd
