// Who is at the other end of a Unix socket (unix(7)). The kernel noted it when the peer connected; a pid alone may
// have been reused since, so where the kernel has SO_PEERPIDFD (6.5) a pidfd pins the process too.
#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstdio>
#include <fstream>
#include <string>

#include "js/system_error.h"
#include "sys/sys.h"

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77  // newer than Debian 12's headers
#endif

namespace attestd {

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
  int pidfd = -1;
  size = sizeof pidfd;
  // Older kernels: ENOPROTOOPT. Peer already reaped: ESRCH or EINVAL. Either way the caller sees that it is absent.
  if (getsockopt(fd, SOL_SOCKET, SO_PEERPIDFD, &pidfd, &size) == 0 && pidfd >= 0) out.Set("pidfd", pidfd);
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
  int pid = 0;
  for (std::string line; std::getline(file, line);) {
    if (std::sscanf(line.c_str(), "Pid: %d", &pid) == 1) return Napi::Number::New(info.Env(), pid);
  }
  throw systemError(info.Env(), EINVAL, "fdinfo");  // no pidfd
}

}  // namespace attestd
