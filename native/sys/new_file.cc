// A whole new file in one visit to the thread pool: open, write, close. Node's own way makes three visits and as many
// objects, which costs the main thread more than the tiles themselves.
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <vector>

#include "sys/file_worker.h"
#include "sys/sys.h"

namespace attestd {

namespace {

Failure write(const std::string& path, const std::vector<std::uint8_t>& bytes) {
  const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd < 0) return {errno, "open"};
  Failure failure{0, ""};
  for (std::size_t done = 0; done < bytes.size() && failure.error == 0;) {
    const ssize_t n = ::write(fd, bytes.data() + done, bytes.size() - done);
    if (n > 0) {
      done += static_cast<std::size_t>(n);
    } else if (n == 0 || errno != EINTR) {
      failure = {n < 0 ? errno : EIO, "write"};
    }
  }
  if (close(fd) != 0 && failure.error == 0) failure = {errno, "close"};
  return failure;
}

}  // namespace

Napi::Value writeNewFile(const Napi::CallbackInfo& info) {
  const auto env = info.Env();
  if (!info[0].IsString()) throw Napi::TypeError::New(env, "path is not a string");
  std::string path = info[0].As<Napi::String>().Utf8Value();
  if (path.find('\0') != std::string::npos) throw Napi::TypeError::New(env, "path has a NUL");
  if (!info[1].IsTypedArray() || info[1].As<Napi::TypedArray>().TypedArrayType() != napi_uint8_array) {
    throw Napi::TypeError::New(env, "bytes is not a Uint8Array");
  }
  const auto view = info[1].As<Napi::Uint8Array>();
  std::vector<std::uint8_t> bytes(view.Data(), view.Data() + view.ByteLength());
  return FileWorker::start(env, [path = std::move(path), bytes = std::move(bytes)] { return write(path, bytes); });
}

}  // namespace attestd
