/*
 * A caller of attestd: has a key of its own sign, one request after the other on one connection, compiled as the callers of
 * the other services are. HTTP by hand, so that what is timed is the service.
 *   attestd SOCKET COUNT
 * Prints the milliseconds of each signature, a line each.
 */
#define _GNU_SOURCE /* strcasestr */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static void fail(const char *what, const char *why) {
  fprintf(stderr, "%s: %s\n", what, why);
  exit(1);
}

static double now_ms(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1e3 + t.tv_nsec / 1e6;
}

static char answer[65536];

/* One request; its whole answer is in `answer` afterwards. */
static void post(int s, const char *path, const char *body) {
  char request[1024];
  int n = snprintf(request, sizeof request,
                   "POST %s HTTP/1.1\r\nhost: bench\r\nattestd-client: bench/1\r\ncontent-type: application/json\r\n"
                   "content-length: %zu\r\n\r\n%s",
                   path, strlen(body), body);
  if (n >= (int)sizeof request || write(s, request, (size_t)n) != n) fail(path, "cannot be sent");
  size_t got = 0, whole = sizeof answer;
  do {
    ssize_t some = read(s, answer + got, sizeof answer - 1 - got);
    if (some <= 0) fail(path, "no whole answer");
    got += (size_t)some;
    answer[got] = 0;
    char *end = strstr(answer, "\r\n\r\n"), *length = strcasestr(answer, "content-length:");
    if (end != NULL && (length == NULL || length > end)) fail(path, answer);
    if (end != NULL) whole = (size_t)(end + 4 - answer) + strtoul(length + 15, NULL, 10);
  } while (got < whole);
}

/* 32 bytes in base64: the number of the request, then zeros. */
static void message(unsigned i, char out[45]) {
  static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  memset(out, 'A', 43);
  out[0] = digits[i >> 2 & 63];
  out[1] = digits[(i & 3) << 4 | (i >> 12 & 15)];
  out[2] = digits[(i >> 8 & 15) << 2];
  strcpy(out + 43, "=");
}

int main(int argc, char **argv) {
  if (argc != 3) return 2;
  struct sockaddr_un at = {.sun_family = AF_UNIX};
  if (strlen(argv[1]) >= sizeof at.sun_path) fail(argv[1], "too long a path");
  strcpy(at.sun_path, argv[1]);
  int s = socket(AF_UNIX, SOCK_STREAM, 0);
  if (s < 0 || connect(s, (struct sockaddr *)&at, sizeof at) != 0) fail(argv[1], "nobody listens");
  post(s, "/v1/keys", "{\"name\":\"bench\",\"role\":\"workload\"}");
  /* It is there from the round before. */
  if (strncmp(answer, "HTTP/1.1 201", 12) != 0 && strstr(answer, "EXISTS") == NULL) fail("key", answer);
  for (unsigned i = 0; i < (unsigned)atoi(argv[2]); i++) {
    char text[45], body[64];
    message(i, text);
    snprintf(body, sizeof body, "{\"message\":\"%s\"}", text);
    double from = now_ms();
    post(s, "/v1/keys/bench/sign", body);
    printf("%.4f\n", now_ms() - from);
    if (strncmp(answer, "HTTP/1.1 200", 12) != 0) fail("sign", answer);
  }
  close(s);
  return 0;
}
