// The one thread that talks to the TPM, its bounded queue, and the watchdog that keeps deadlines. A command that
// hangs cannot be cancelled: its promise is settled, the queue is refused, and the thread is left behind when the
// process ends. Both threads are detached and share ownership of this object, so nobody ever has to join them.
#pragma once

#include <array>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <vector>

#include "tpm/job.h"

namespace attestd {

class TpmThread : public std::enable_shared_from_this<TpmThread> {
 public:
  struct State {
    std::size_t queued;
    unsigned objects;
    unsigned sessions;
    bool stalled;
    bool closed;
  };

  TpmThread(std::size_t limit) : limit_(limit) {}
  // Starts both threads; `open` runs first.
  void start(std::shared_ptr<Job> open);

  // On the JavaScript thread. Settles the ticket at once where the job cannot be taken. `always`: frees something,
  // so a full queue takes it all the same.
  void submit(std::shared_ptr<Job> job, bool always = false);
  // From any thread: frees a slot that nobody refers to any more.
  void discard(ESYS_TR tr);
  // Refuses what waits and ends the thread after the running command. `closer` is resolved when it has ended or at
  // `deadline`; null where nobody asks.
  void stop(std::shared_ptr<Ticket> closer, Clock::time_point deadline);
  // Whether the thread ended; waits so long for a command that is not known to hang.
  bool waitEnded(std::chrono::milliseconds atMost);
  State state() const;

  Occupancy& occupancy() { return occupancy_; }

 private:
  void work(std::shared_ptr<Job> open);
  void watch();
  std::shared_ptr<Job> pop();  // mutex held
  std::size_t queued() const;  // mutex held

  const std::size_t limit_;
  Occupancy occupancy_;

  mutable std::mutex mutex_;  // guards all below
  std::condition_variable wake_;   // the worker: work, garbage or the end
  std::condition_variable alarm_;  // the watchdog: a new deadline or the end
  std::condition_variable over_;   // waitEnded
  std::array<std::deque<std::shared_ptr<Job>>, 3> queue_;
  std::vector<ESYS_TR> garbage_;
  std::shared_ptr<Ticket> running_;
  Clock::time_point runningDeadline_;
  Clock::time_point alarmAt_ = Clock::time_point::max();  // when the watchdog looks again by itself
  bool cleaning_ = false;  // the worker is freeing slots, which may hang as any command may
  bool stalled_ = false;
  bool stopping_ = false;
  bool ended_ = false;
  std::vector<std::shared_ptr<Ticket>> closers_;
  Clock::time_point closeDeadline_ = Clock::time_point::max();
};

}  // namespace attestd
