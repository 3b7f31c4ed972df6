// Who is at the other end of a Unix socket (unix(7)). The kernel noted it when the peer connected; a pid alone may
// have been reused since, so where the kernel has SO_PEERPIDFD (6.5) a pidfd pins the process too.
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdint>
#include <fstream>
#include <string>
#include <string_view>
#include <system_error>

#include "js/system_error.h"
#include "sys/sys.h"

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77  // newer than Debian 12's headers
#endif
#ifndef SO_PEERGROUPS
#define SO_PEERGROUPS 59
#endif

namespace attestd {

namespace {

// Most supplementary groups that are told; the kernel allows 65536.
constexpr socklen_t kMaxGroups = 256;

void groups(Napi::Env env, int fd, Napi::Object& out) {
  gid_t list[kMaxGroups];
  socklen_t size = sizeof list;
  if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, list, &size) != 0) return;
  const std::size_t count = size / sizeof(gid_t);
  auto array = Napi::Array::New(env, count);
  for (std::size_t i = 0; i < count; i++) array.Set(static_cast<std::uint32_t>(i), static_cast<double>(list[i]));
  out.Set("groups", array);
}

}  // namespace

Napi::Value peerCredentials(const Napi::CallbackInfo& info) {
  const auto env = info.Env();
  const int fd = descriptor(info);
  ucred peer{};
  socklen_t size = sizeof peer;
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) throw systemError(env, errno, "getsockopt");
  // An unconnected or non-Unix socket answers too, with pid 0.
  if (peer.pid <= 0) throw systemError(env, ENOTCONN, "getsockopt");
  auto out = Napi::Object::New(env);
  out.Set("pid", peer.pid);
  out.Set("uid", peer.uid);
  out.Set("gid", peer.gid);
  groups(env, fd, out);
  int pidfd = -1;
  size = sizeof pidfd;
  // An older kernel knows no such option; one that knows it and gives none (ESRCH, EINVAL, ENODATA) says that the peer was
  // reaped, and its pid may be another's by now. The two must never be taken for each other.
  if (getsockopt(fd, SOL_SOCKET, SO_PEERPIDFD, &pidfd, &size) == 0 && pidfd >= 0) {
    out.Set("pidfd", pidfd);
  } else if (errno != ENOPROTOOPT) {
    out.Set("gone", true);
  }
  return out;
}

Napi::Value pidfdAlive(const Napi::CallbackInfo& info) {
  pollfd p{descriptor(info), POLLIN, 0};
  const int n = poll(&p, 1, 0);
  if (n < 0) throw systemError(info.Env(), errno, "poll");
  if ((p.revents & POLLNVAL) != 0) throw systemError(info.Env(), EBADF, "poll");
  return Napi::Boolean::New(info.Env(), n == 0);
}

Napi::Value pidOfPidfd(const Napi::CallbackInfo& info) {
  std::ifstream file("/proc/self/fdinfo/" + std::to_string(descriptor(info)));
  if (!file) throw systemError(info.Env(), EBADF, "open");
  constexpr std::string_view name = "Pid:";
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with(name)) continue;
    const char* from = line.data() + std::min(line.find_first_not_of(" \t", name.size()), line.size());
    const char* end = line.data() + line.size();
    int pid = 0;
    const auto [rest, wrong] = std::from_chars(from, end, pid);
    if (wrong == std::errc() && rest == end) return Napi::Number::New(info.Env(), pid);
  }
  throw systemError(info.Env(), EINVAL, "fdinfo");  // no pidfd
}

}  // namespace attestd
