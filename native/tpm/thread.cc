#include "tpm/thread.h"

#include <algorithm>
#include <thread>

#include "sys/slice.h"

namespace attestd {

namespace {

Fault refused(const char* reason) { return {"TPM_UNAVAILABLE", reason, {}, {}}; }

void settle(const std::shared_ptr<Ticket>& closer) {
  if (!closer->claim()) return;
  closer->channel->post([closer](Napi::Env env) {
    closer->channel->end(env);
    closer->deferred.Resolve(env.Undefined());
  });
}

}  // namespace

void TpmThread::start(std::shared_ptr<Job> open) {
  running_ = open->ticket;
  runningDeadline_ = open->deadline;
  std::thread([self = shared_from_this(), open = std::move(open)]() mutable {
    askForShortSlices();
    self->work(std::move(open));
  }).detach();
  std::thread([self = shared_from_this()] { self->watch(); }).detach();
}

void TpmThread::submit(std::shared_ptr<Job> job, bool always) {
  const char* reason = nullptr;
  bool sooner = false;
  {
    std::lock_guard lock(mutex_);
    // Else the watchdog looks in time as it is, and is not woken for every command: it would take the turn of a thread
    // that has one to carry.
    sooner = job->deadline < alarmAt_;
    if (stopping_) {
      reason = "closed";
    } else if (stalled_) {
      reason = "stalled";
    } else if (!always && queued() >= limit_) {
      reason = "queue";
    } else {
      queue_[static_cast<std::size_t>(job->priority)].push_back(job);
    }
  }
  if (reason != nullptr) {
    if (job->ticket->claim()) Ticket::reject(job->ticket, refused(reason));
    return;
  }
  wake_.notify_one();
  if (sooner) alarm_.notify_one();
}

void TpmThread::discard(ESYS_TR tr) {
  {
    std::lock_guard lock(mutex_);
    if (ended_) return;
    garbage_.push_back(tr);
  }
  wake_.notify_one();
}

void TpmThread::stop(std::shared_ptr<Ticket> closer, Clock::time_point deadline) {
  decltype(queue_) dropped;
  bool already = false;
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
    already = ended_ || stalled_;  // one that hangs is not waited for
    dropped.swap(queue_);
    if (closer && !already) {
      closers_.push_back(closer);
      closeDeadline_ = std::min(closeDeadline_, deadline);
    }
  }
  wake_.notify_one();
  alarm_.notify_one();
  for (auto& jobs : dropped) {
    for (auto& job : jobs) {
      if (job->ticket->claim()) Ticket::reject(job->ticket, refused("closed"));
    }
  }
  if (closer && already) settle(closer);
}

bool TpmThread::waitEnded(std::chrono::milliseconds atMost) {
  std::unique_lock lock(mutex_);
  over_.wait_for(lock, atMost, [this] { return ended_ || stalled_; });
  return ended_;
}

TpmThread::State TpmThread::state() const {
  std::lock_guard lock(mutex_);
  return {queued(), occupancy_.objects, occupancy_.sessions, stalled_, stopping_};
}

std::size_t TpmThread::queued() const {
  std::size_t n = 0;
  for (const auto& jobs : queue_) n += jobs.size();
  return n;
}

std::shared_ptr<Job> TpmThread::pop() {
  for (auto& jobs : queue_) {
    if (jobs.empty()) continue;
    auto job = std::move(jobs.front());
    jobs.pop_front();
    return job;
  }
  return nullptr;
}

void TpmThread::work(std::shared_ptr<Job> open) {
  std::unique_ptr<Esys> esys;
  const bool opened = Job::execute(std::move(open), esys);
  std::unique_lock lock(mutex_);
  if (!opened) stopping_ = true;
  for (;;) {
    running_ = nullptr;
    stalled_ = cleaning_ = false;
    wake_.wait(lock, [this] { return stopping_ || !garbage_.empty() || queued() > 0; });
    if (stopping_) break;
    if (!garbage_.empty()) {
      std::vector<ESYS_TR> garbage;
      garbage.swap(garbage_);
      cleaning_ = true;
      lock.unlock();
      for (const ESYS_TR tr : garbage) esys->release(tr);
      lock.lock();
      continue;
    }
    auto job = pop();
    running_ = job->ticket;
    runningDeadline_ = job->deadline;
    lock.unlock();
    Job::execute(std::move(job), esys);
    lock.lock();
  }
  cleaning_ = true;
  lock.unlock();
  esys.reset();  // flushes everything of ours; may hang, and then nobody waits
  lock.lock();
  cleaning_ = stalled_ = false;
  ended_ = true;
  auto closers = std::move(closers_);
  closers_.clear();
  lock.unlock();
  over_.notify_all();
  alarm_.notify_all();
  for (const auto& closer : closers) settle(closer);
}

void TpmThread::watch() {
  std::unique_lock lock(mutex_);
  while (!ended_) {
    auto next = Clock::time_point::max();
    const auto now = Clock::now();
    std::vector<std::shared_ptr<Ticket>> late;
    std::vector<std::shared_ptr<Job>> dropped;  // destroyed without the lock: a job may own handles
    std::vector<std::shared_ptr<Ticket>> closers;
    if (running_ && !running_->claimed) {
      if (runningDeadline_ <= now) {
        stalled_ = true;
        late.push_back(running_);
      } else {
        next = std::min(next, runningDeadline_);
      }
    }
    for (auto& jobs : queue_) {
      for (auto at = jobs.begin(); at != jobs.end();) {
        if ((*at)->deadline <= now) {
          stalled_ = stalled_ || cleaning_;
          late.push_back((*at)->ticket);
          dropped.push_back(std::move(*at));
          at = jobs.erase(at);
        } else {
          next = std::min(next, (*at)->deadline);
          ++at;
        }
      }
    }
    if (!closers_.empty()) {
      if (closeDeadline_ <= now) {
        stalled_ = true;
        closers.swap(closers_);
      } else {
        next = std::min(next, closeDeadline_);
      }
    }
    if (late.empty() && closers.empty()) {
      alarmAt_ = next;
      if (next == Clock::time_point::max()) {
        alarm_.wait(lock);
      } else {
        alarm_.wait_until(lock, next);
      }
      continue;
    }
    const bool stalled = stalled_;
    lock.unlock();
    if (stalled) over_.notify_all();
    for (const auto& ticket : late) {
      if (ticket->claim()) Ticket::reject(ticket, {"TPM_TIMEOUT", nullptr, {}, {}});
    }
    for (const auto& closer : closers) settle(closer);
    dropped.clear();
    lock.lock();
  }
}

}  // namespace attestd
