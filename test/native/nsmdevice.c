/* A Nitro Security Module without hardware, preloaded: answers NSM_IOCTL_RAW (linux/nsm.h) on any descriptor. The
 * response holds the request, so that a test sees that both buffers arrive whole; one that starts with 0xee fails as
 * the driver does when the module refuses. Every other ioctl goes to the kernel. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

struct iovec64 {
  uint64_t addr, len;
};
struct nsm_raw {
  struct iovec64 request, response;
};

int ioctl(int fd, unsigned long op, ...) {
  va_list args;
  va_start(args, op);
  void *argument = va_arg(args, void *);
  va_end(args);
  if (op != 0xC0200A00ul) return (int)syscall(SYS_ioctl, fd, op, argument);
  struct nsm_raw *raw = argument;
  const uint8_t *in = (const uint8_t *)(uintptr_t)raw->request.addr;
  uint8_t *out = (uint8_t *)(uintptr_t)raw->response.addr;
  if (raw->request.len > 0x1000 || raw->response.len != 0x3000) {
    errno = EMSGSIZE;
    return -1;
  }
  if (raw->request.len > 0 && in[0] == 0xee) {
    errno = EIO;
    return -1;
  }
  out[0] = 0x59; /* a byte string with a length of two bytes */
  out[1] = (uint8_t)(raw->request.len >> 8);
  out[2] = (uint8_t)raw->request.len;
  memcpy(out + 3, in, raw->request.len);
  raw->response.len = raw->request.len + 3;
  return 0;
}
