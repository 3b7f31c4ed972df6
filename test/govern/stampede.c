// PROCESSES processes, let go at one moment, each with one connection to SOCKET on which it sends the bytes of FILE TIMES
// times, the next when the last is answered. Prints a line for each answer: its status, and the code if it is a problem.
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <signal.h>
#include <unistd.h>

static void fail(const char* what) {
  perror(what);
  exit(1);
}

// One answer with a content-length; its status and code go to stdout in one write, so lines do not mix.
static void answer(int fd) {
  static char text[65536];
  size_t size = 0;
  for (;;) {
    const ssize_t n = read(fd, text + size, sizeof text - 1 - size);
    if (n <= 0) fail("the daemon closed the connection");
    size += (size_t)n;
    text[size] = 0;
    const char* body = strstr(text, "\r\n\r\n");
    if (body == NULL) continue;
    const char* length = strcasestr(text, "content-length:");
    if (length == NULL || length > body) fail("no content-length");
    if ((size_t)(body + 4 - text) + strtoul(length + 15, NULL, 10) <= size) break;
  }
  char line[128];
  const char* code = strstr(text, "urn:attestd:error:");
  const int n = code == NULL ? snprintf(line, sizeof line, "%.3s\n", text + 9)
                             : snprintf(line, sizeof line, "%.3s %.*s\n", text + 9, (int)strcspn(code + 18, "\""), code + 18);
  if (write(STDOUT_FILENO, line, (size_t)n) != n) fail("write");
}

int main(int argc, char** argv) {
  if (argc != 5) return 2;
  static char request[8192];
  const int file = open(argv[2], O_RDONLY);
  const ssize_t length = read(file, request, sizeof request);
  if (length <= 0) fail(argv[2]);
  const int processes = atoi(argv[3]);
  const int times = atoi(argv[4]);
  struct sockaddr_un to = {.sun_family = AF_UNIX};
  strncpy(to.sun_path, argv[1], sizeof to.sun_path - 1);
  int ready[2], go[2];
  if (pipe(ready) != 0 || pipe(go) != 0) fail("pipe");
  for (int p = 0; p < processes; p++) {
    const pid_t pid = fork();
    if (pid < 0) fail("fork");
    if (pid > 0) continue;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    close(go[1]);
    const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    if (connect(fd, (struct sockaddr*)&to, sizeof to) != 0) fail("connect");
    char c = 0;
    if (write(ready[1], &c, 1) != 1 || read(go[0], &c, 1) != 0) fail("start");
    for (int i = 0; i < times; i++) {
      if (write(fd, request, (size_t)length) != length) fail("send");
      answer(fd);
    }
    exit(0);
  }
  // They all stand connected before the first of them asks.
  for (int p = 0; p < processes; p++) {
    char c;
    if (read(ready[0], &c, 1) != 1) fail("ready");
  }
  close(go[1]);
  for (int p = 0; p < processes; p++) {
    int status;
    if (wait(&status) < 0 || status != 0) return 1;
  }
  return 0;
}
