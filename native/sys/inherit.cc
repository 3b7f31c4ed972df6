// A descriptor handed down by systemd (sd_listen_fds(3)): made close-on-exec, and looked at, because the numbers in
// LISTEN_FDS are only a claim.
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <string>

#include "js/system_error.h"
#include "sys/sys.h"

namespace attestd {

namespace {

int option(const Napi::CallbackInfo& info, int fd, int name) {
  int value = 0;
  socklen_t size = sizeof value;
  if (getsockopt(fd, SOL_SOCKET, name, &value, &size) != 0) throw systemError(info.Env(), errno, "getsockopt");
  return value;
}

}  // namespace

Napi::Value inheritSocket(const Napi::CallbackInfo& info) {
  const auto env = info.Env();
  const int fd = descriptor(info);
  const int type = option(info, fd, SO_TYPE);
  const int family = option(info, fd, SO_DOMAIN);
  const bool listening = option(info, fd, SO_ACCEPTCONN) != 0;
  const int flags = fcntl(fd, F_GETFD);
  if (flags < 0 || fcntl(fd, F_SETFD, flags | FD_CLOEXEC) < 0) throw systemError(env, errno, "fcntl");

  auto out = Napi::Object::New(env);
  out.Set("type", type == SOCK_STREAM ? "stream" : type == SOCK_DGRAM ? "datagram" : "other");
  out.Set("family", family == AF_UNIX ? "unix" : "other");
  out.Set("listening", listening);
  if (family != AF_UNIX) return out;
  sockaddr_un address{};
  socklen_t length = sizeof address;
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length) != 0) throw systemError(env, errno, "getsockname");
  const std::size_t used = length - offsetof(sockaddr_un, sun_path);
  if (length > offsetof(sockaddr_un, sun_path) && used > 0) {
    const bool abstract = address.sun_path[0] == '\0';
    if (abstract) address.sun_path[0] = '@';
    out.Set("path", std::string(address.sun_path, abstract ? used : strnlen(address.sun_path, used)));
  }
  return out;
}

}  // namespace attestd
