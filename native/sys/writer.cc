// The thread that makes bytes durable: pwrite, fully, then fdatasync, in the order of the calls, one promise each.
// Not the shared pool: four slow lookups there would hold up every record. After the first failure nothing is tried
// again: the kernel may have dropped the dirty page and would report success (fsyncgate, 2018).
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "js/channel.h"
#include "js/system_error.h"
#include "sys/slice.h"
#include "sys/sys.h"

namespace attestd {

namespace {

struct Write {
  Write(Napi::Env env) : deferred(env) {}
  Napi::Promise::Deferred deferred;
  std::vector<std::uint8_t> bytes;
  off_t offset = 0;
  bool last = false;  // close: ends the thread
};

class Writer {
 public:
  // A descriptor of its own: Node may close and reuse the number while a write is on its way.
  Writer(int fd, std::shared_ptr<Channel> channel) : fd_(fd), channel_(std::move(channel)) {}
  ~Writer() { close(fd_); }

  // On the JavaScript thread. False once closed.
  bool push(Napi::Env env, std::shared_ptr<Write> write) {
    {
      std::lock_guard lock(mutex_);
      if (closed_) return false;
      closed_ = write->last;
      queue_.push_back(std::move(write));
    }
    channel_->begin(env);
    wake_.notify_one();
    return true;
  }

  // The JavaScript side let go without close: what was accepted is still written.
  void abandon() {
    {
      std::lock_guard lock(mutex_);
      closed_ = abandoned_ = true;
    }
    wake_.notify_one();
  }

  void work() {
    askForShortSlices();
    for (;;) {
      std::shared_ptr<Write> write;
      {
        std::unique_lock lock(mutex_);
        wake_.wait(lock, [this] { return !queue_.empty() || abandoned_; });
        if (queue_.empty()) return;
        write = std::move(queue_.front());
        queue_.pop_front();
      }
      const bool poisoned = failed_;
      const char* syscall = "fdatasync";
      const auto begun = std::chrono::steady_clock::now();
      const int error = write->last ? 0 : poisoned ? ECANCELED : perform(*write, syscall);
      const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - begun;
      failed_ = failed_ || error != 0;
      channel_->post([write, error, syscall, poisoned, took, channel = channel_](Napi::Env env) {
        channel->end(env);
        if (error == 0) {
          write->deferred.Resolve(write->last ? env.Undefined() : Napi::Number::New(env, took.count()));
          return;
        }
        auto e = systemError(env, error, syscall, "STORAGE_UNAVAILABLE");
        if (poisoned) e.Set("errno", Napi::String::New(env, "EPOISONED"));
        write->deferred.Reject(e.Value());
      });
      if (write->last) return;
    }
  }

 private:
  int perform(const Write& write, const char*& syscall) {
    for (std::size_t done = 0; done < write.bytes.size();) {
      const ssize_t n = pwrite(fd_, write.bytes.data() + done, write.bytes.size() - done,
                               write.offset + static_cast<off_t>(done));
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) {
        syscall = "pwrite";
        return n < 0 ? errno : EIO;
      }
      done += static_cast<std::size_t>(n);
    }
    return fdatasync(fd_) == 0 ? 0 : errno;
  }

  const int fd_;
  const std::shared_ptr<Channel> channel_;
  bool failed_ = false;  // the thread's own
  std::mutex mutex_;     // guards all below
  std::condition_variable wake_;
  std::deque<std::shared_ptr<Write>> queue_;
  bool closed_ = false;
  bool abandoned_ = false;
};

// What the JavaScript object owns; gone with it.
struct Owner {
  explicit Owner(std::shared_ptr<Writer> w) : writer(std::move(w)) {}
  ~Owner() { writer->abandon(); }
  std::shared_ptr<Writer> writer;
};

// The buffers are copied into one: nobody can change or detach them under the thread, and one pwrite follows.
void copy(const Napi::Value& value, std::vector<std::uint8_t>& out) {
  const auto misuse = [&] { throw Napi::TypeError::New(value.Env(), "buffers is not an array of Uint8Array"); };
  if (!value.IsArray()) misuse();
  const auto list = value.As<Napi::Array>();
  const std::uint32_t count = list.Length();
  std::vector<std::pair<const std::uint8_t*, std::size_t>> parts;
  parts.reserve(count);
  std::size_t total = 0;
  for (std::uint32_t i = 0; i < count; i++) {
    const Napi::Value item = list.Get(i);
    if (!item.IsTypedArray() || item.As<Napi::TypedArray>().TypedArrayType() != napi_uint8_array) misuse();
    const auto view = item.As<Napi::Uint8Array>();
    parts.emplace_back(view.Data(), view.ByteLength());
    total += view.ByteLength();
  }
  // One allocation of the final size: growing would copy the frame again for every few openings behind it.
  out.reserve(total);
  for (const auto& [data, size] : parts) out.insert(out.end(), data, data + size);
}

Napi::Value push(Napi::Env env, const std::shared_ptr<Owner>& owner, const std::shared_ptr<Write>& write) {
  const Napi::Value promise = write->deferred.Promise();
  if (!owner->writer->push(env, write)) {
    if (write->last) {
      write->deferred.Resolve(env.Undefined());
    } else {
      write->deferred.Reject(systemError(env, EBADF, "pwrite", "STORAGE_UNAVAILABLE").Value());
    }
  }
  return promise;
}

}  // namespace

Napi::Value makeWriter(const Napi::CallbackInfo& info) {
  const auto env = info.Env();
  const int fd = fcntl(descriptor(info), F_DUPFD_CLOEXEC, 3);
  if (fd < 0) throw systemError(env, errno, "fcntl", "STORAGE_UNAVAILABLE");
  auto writer = std::make_shared<Writer>(fd, Channel::open(env, "attestd-writer"));
  std::thread([writer] { writer->work(); }).detach();
  auto owner = std::make_shared<Owner>(std::move(writer));

  auto object = Napi::Object::New(env);
  object.Set("write", Napi::Function::New(env, [owner](const Napi::CallbackInfo& i) -> Napi::Value {
               auto write = std::make_shared<Write>(i.Env());
               copy(i[0], write->bytes);
               const double offset = i[1].IsNumber() ? i[1].As<Napi::Number>().DoubleValue() : -1;
               if (!(offset >= 0 && offset <= 9007199254740991.0)) {
                 throw Napi::TypeError::New(i.Env(), "offset is not an offset");
               }
               write->offset = static_cast<off_t>(offset);
               return push(i.Env(), owner, write);
             }));
  object.Set("close", Napi::Function::New(env, [owner](const Napi::CallbackInfo& i) -> Napi::Value {
               auto write = std::make_shared<Write>(i.Env());
               write->last = true;
               return push(i.Env(), owner, write);
             }));
  return object;
}

}  // namespace attestd
