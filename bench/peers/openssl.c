/*
 * OpenSSL with the tpm2 provider (tpm2-openssl), in one process that keeps its key: ECDSA with SHA-256 over a message.
 *   openssl KEY.pem COUNT     with TPM2OPENSSL_TCTI in the environment
 * Prints the milliseconds of each signature, a line each.
 */
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/provider.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static void check(int ok, const char *what) {
  if (ok) return;
  fprintf(stderr, "%s\n", what);
  ERR_print_errors_fp(stderr);
  exit(1);
}

static double now_ms(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1e3 + t.tv_nsec / 1e6;
}

int main(int argc, char **argv) {
  if (argc != 3) return 2;
  int count = atoi(argv[2]);
  OSSL_PROVIDER *tpm = OSSL_PROVIDER_load(NULL, "tpm2");
  OSSL_PROVIDER *base = OSSL_PROVIDER_load(NULL, "default");
  check(tpm != NULL && base != NULL, "providers");
  FILE *file = fopen(argv[1], "r");
  check(file != NULL, "the key file");
  EVP_PKEY *key = PEM_read_PrivateKey_ex(file, NULL, NULL, NULL, NULL, "?provider=tpm2");
  check(key != NULL, "the key");
  fclose(file);
  unsigned char message[32] = {0}, signature[256];
  for (int i = 0; i < count; i++) {
    memcpy(message, &i, sizeof i);
    size_t length = sizeof signature;
    double from = now_ms();
    EVP_MD_CTX *c = EVP_MD_CTX_new();
    check(EVP_DigestSignInit_ex(c, NULL, "SHA256", NULL, "?provider=tpm2", key, NULL), "init");
    check(EVP_DigestSign(c, signature, &length, message, sizeof message), "sign");
    EVP_MD_CTX_free(c);
    printf("%.4f\n", now_ms() - from);
  }
  EVP_PKEY_free(key);
  OSSL_PROVIDER_unload(tpm);
  OSSL_PROVIDER_unload(base);
  return 0;
}
