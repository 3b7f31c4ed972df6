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
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "js/channel.h"
#include "js/system_error.h"
#include "sys/sha256.h"
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
  bool hashed = false;  // a frame of entries: its hashes are made here, while the disk works
  std::size_t frame = 0;  // bytes of the frame, the rest are openings
  std::size_t from = 0;   // where its entries begin
  std::size_t count = 0;
  std::vector<std::uint8_t> hashes;  // of the frame, then of each leaf
  std::string digests;               // of each entry, in hexadecimal
};

constexpr std::size_t SPARES = 2;
constexpr std::size_t SPARE_BYTES = 1 << 20;

class Writer : public std::enable_shared_from_this<Writer> {
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

  // On the JavaScript thread: memory for the next write. That of earlier ones is used again, because fresh pages for
  // every write cost more than to fill them.
  std::vector<std::uint8_t> room() {
    if (spares_.empty()) return {};
    auto bytes = std::move(spares_.back());
    spares_.pop_back();
    bytes.clear();
    return bytes;
  }

  // On the JavaScript thread.
  void giveBack(std::vector<std::uint8_t> bytes) {
    if (spares_.size() < SPARES && bytes.capacity() <= SPARE_BYTES) spares_.push_back(std::move(bytes));
  }

  void poll(Napi::Env env) { channel_->poll(env); }

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
      channel_->post([write, error, syscall, poisoned, took, self = shared_from_this()](Napi::Env env) {
        self->channel_->end(env);
        self->giveBack(std::move(write->bytes));
        if (error == 0) {
          write->deferred.Resolve(answer(env, *write, took.count()));
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
  static Napi::Value answer(Napi::Env env, const Write& write, double ms) {
    if (write.last) return env.Undefined();
    if (!write.hashed) return Napi::Number::New(env, ms);
    const auto out = Napi::Object::New(env);
    out.Set("ms", ms);
    out.Set("hashes", Napi::Buffer<std::uint8_t>::Copy(env, write.hashes.data(), write.hashes.size()));
    napi_value digests;
    if (napi_create_string_latin1(env, write.digests.data(), write.digests.size(), &digests) != napi_ok) {
      throw Napi::Error::New(env);
    }
    out.Set("digests", digests);
    return out;
  }

  // 0, or EBADMSG where the entries do not lie in the frame as they should.
  static int hash(Write& write) {
    const std::uint8_t* const frame = write.bytes.data();
    // Each entry has its length in front: more of them than this are not there, and no room is made for them.
    if (write.count > write.frame / 2) return EBADMSG;
    write.hashes.resize((write.count + 1) * HASH_BYTES);
    write.digests.reserve(write.count * 2 * HASH_BYTES);
    hashOf(frame, write.frame, write.hashes.data());
    std::size_t at = write.from;
    for (std::size_t i = 1; i <= write.count; i++) {
      if (at > write.frame || write.frame - at < 2) return EBADMSG;
      const std::size_t size = static_cast<std::size_t>(frame[at]) << 8 | frame[at + 1];
      at += 2;
      if (size > write.frame - at) return EBADMSG;
      hashLeaf(frame + at, size, write.hashes.data() + i * HASH_BYTES);
      appendHexOf(frame + at, size, write.digests);
      at += size;
    }
    return 0;
  }

  int perform(Write& write, const char*& syscall) {
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
    if (write.hashed) {
      // The disk begins at once; that is all that is asked here, and whatever goes wrong is told by fdatasync.
      sync_file_range(fd_, write.offset, static_cast<off_t>(write.bytes.size()), SYNC_FILE_RANGE_WRITE);
      if (const int error = hash(write); error != 0) {
        syscall = "hash";
        return error;
      }
    }
    return fdatasync(fd_) == 0 ? 0 : errno;
  }

  const int fd_;
  const std::shared_ptr<Channel> channel_;
  bool failed_ = false;                             // the thread's own
  std::vector<std::vector<std::uint8_t>> spares_;  // the JavaScript thread's own
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

off_t offsetOf(const Napi::Value& value) {
  const double offset = value.IsNumber() ? value.As<Napi::Number>().DoubleValue() : -1;
  if (!(offset >= 0 && offset <= 9007199254740991.0)) {
    throw Napi::TypeError::New(value.Env(), "offset is not an offset");
  }
  return static_cast<off_t>(offset);
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
               write->bytes = owner->writer->room();
               copy(i[0], write->bytes);
               write->offset = offsetOf(i[1]);
               return push(i.Env(), owner, write);
             }));
  // writeEntries(buffers, offset, from, count): the first buffer is a frame that holds `count` entries from `from` on.
  object.Set("writeEntries", Napi::Function::New(env, [owner](const Napi::CallbackInfo& i) -> Napi::Value {
               auto write = std::make_shared<Write>(i.Env());
               write->bytes = owner->writer->room();
               copy(i[0], write->bytes);
               write->offset = offsetOf(i[1]);
               const auto first = i[0].As<Napi::Array>().Get(0u);
               if (!first.IsTypedArray() || !i[2].IsNumber() || !i[3].IsNumber()) {
                 throw Napi::TypeError::New(i.Env(), "writeEntries takes a frame, and where its entries are");
               }
               write->hashed = true;
               write->frame = first.As<Napi::TypedArray>().ByteLength();
               write->from = i[2].As<Napi::Number>().Uint32Value();
               write->count = i[3].As<Napi::Number>().Uint32Value();
               return push(i.Env(), owner, write);
             }));
  object.Set("poll", Napi::Function::New(env, [owner](const Napi::CallbackInfo& i) { owner->writer->poll(i.Env()); }));
  object.Set("close", Napi::Function::New(env, [owner](const Napi::CallbackInfo& i) -> Napi::Value {
               auto write = std::make_shared<Write>(i.Env());
               write->last = true;
               return push(i.Env(), owner, write);
             }));
  return object;
}

}  // namespace attestd
