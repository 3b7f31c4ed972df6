// Makes recycled pids on purpose. For each of COUNT: a child connects to SOCKET, sends the bytes of FILE and ends; when it
// has been reaped, another process is made with its pid (clone3 with set_tid) and executes sleep. The connections stay
// open here. Prints "<pid of the holder> <pids>" and leaves the holder behind, which ends when it is killed.
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static void fail(const char* what) {
  perror(what);
  exit(1);
}

static pid_t takeOver(pid_t pid) {
  struct clone_args args;
  memset(&args, 0, sizeof args);
  args.exit_signal = SIGCHLD;
  args.set_tid = (uint64_t)(uintptr_t)&pid;
  args.set_tid_size = 1;
  const long made = syscall(SYS_clone3, &args, sizeof args);
  if (made < 0) fail("clone3");
  if (made > 0) return (pid_t)made;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  execl("/bin/sleep", "sleep", "300", (char*)NULL);
  _exit(1);
}

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  char request[8192];
  const int file = open(argv[3], O_RDONLY);
  const ssize_t length = read(file, request, sizeof request);
  if (length <= 0) fail(argv[3]);
  struct sockaddr_un to = {.sun_family = AF_UNIX};
  strncpy(to.sun_path, argv[1], sizeof to.sun_path - 1);
  int told[2];
  if (pipe2(told, O_CLOEXEC) != 0) fail("pipe");
  if (fork() != 0) {
    close(told[1]);
    char said[65536];
    ssize_t n, size = 0;
    while ((n = read(told[0], said + size, sizeof said - (size_t)size)) > 0) size += n;
    return size > 0 && write(STDOUT_FILENO, said, (size_t)size) == size ? 0 : 1;
  }
  setsid();
  alarm(300);
  const int nowhere = open("/dev/null", O_RDWR | O_CLOEXEC);
  if (dup2(nowhere, STDOUT_FILENO) < 0 || dup2(nowhere, STDERR_FILENO) < 0) fail("dup2");
  FILE* out = fdopen(told[1], "w");
  fprintf(out, "%d", (int)getpid());
  for (int i = 0; i < atoi(argv[2]); i++) {
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const pid_t first = fork();
    if (first == 0) {
      if (connect(fd, (struct sockaddr*)&to, sizeof to) != 0) _exit(1);
      _exit(write(fd, request, (size_t)length) == length ? 0 : 1);
    }
    int status = 0;
    if (waitpid(first, &status, 0) != first || status != 0) fail("the first process");
    if (takeOver(first) != first) fail("another pid");
    fprintf(out, " %d", (int)first);
  }
  fclose(out);
  for (;;) pause();
}
