// sd_notify(3) by hand: Node has no datagram Unix sockets, and libsystemd is a large dependency for one sendto.
// Never waits: a full queue of the manager must not stop the daemon.
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <string>

#include "js/system_error.h"
#include "sys/sys.h"

namespace attestd {

Napi::Value notify(const Napi::CallbackInfo& info) {
  const auto env = info.Env();
  if (!info[0].IsString() || !info[1].IsString()) throw Napi::TypeError::New(env, "socket and state are not strings");
  const std::string path = info[0].As<Napi::String>();
  const std::string state = info[1].As<Napi::String>();
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() < 2 || (path[0] != '/' && path[0] != '@') || path.size() >= sizeof address.sun_path) {
    throw systemError(env, EINVAL, "sendto");
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  // systemd spells the leading zero byte of an abstract name `@`; such a name ends where its length says.
  if (path[0] == '@') address.sun_path[0] = '\0';
  const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size() + (path[0] == '/' ? 1 : 0));
  const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) throw systemError(env, errno, "socket");
  const ssize_t sent = sendto(fd, state.data(), state.size(), MSG_DONTWAIT | MSG_NOSIGNAL,
                              reinterpret_cast<const sockaddr*>(&address), length);
  const int error = errno;
  close(fd);
  if (sent < 0) throw systemError(env, error, "sendto");
  return env.Undefined();
}

}  // namespace attestd
