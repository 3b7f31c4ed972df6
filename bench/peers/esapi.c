/*
 * The floor: TPM2_Sign with a P-256 key by ESAPI itself, over a held connection, with the key held loaded.
 *   esapi password|salted COUNT     with the TCTI in the environment
 * Prints the milliseconds of each signature, a line each.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <tss2/tss2_esys.h>
#include <tss2/tss2_tctildr.h>

static void check(TSS2_RC rc, const char *what) {
  if (rc == TSS2_RC_SUCCESS) return;
  fprintf(stderr, "%s: 0x%x\n", what, rc);
  exit(1);
}

static double now_ms(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1e3 + t.tv_nsec / 1e6;
}

static TPM2B_PUBLIC template(int signs) {
  TPM2B_PUBLIC p = {0};
  TPMT_PUBLIC *a = &p.publicArea;
  a->type = TPM2_ALG_ECC;
  a->nameAlg = TPM2_ALG_SHA256;
  a->objectAttributes = TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT | TPMA_OBJECT_SENSITIVEDATAORIGIN |
                        TPMA_OBJECT_USERWITHAUTH | TPMA_OBJECT_NODA;
  TPMS_ECC_PARMS *e = &a->parameters.eccDetail;
  e->curveID = TPM2_ECC_NIST_P256;
  e->kdf.scheme = TPM2_ALG_NULL;
  if (signs) {
    a->objectAttributes |= TPMA_OBJECT_SIGN_ENCRYPT;
    e->symmetric.algorithm = TPM2_ALG_NULL;
    e->scheme.scheme = TPM2_ALG_ECDSA;
    e->scheme.details.ecdsa.hashAlg = TPM2_ALG_SHA256;
  } else {
    a->objectAttributes |= TPMA_OBJECT_RESTRICTED | TPMA_OBJECT_DECRYPT;
    e->symmetric.algorithm = TPM2_ALG_AES;
    e->symmetric.keyBits.aes = 128;
    e->symmetric.mode.aes = TPM2_ALG_CFB;
    e->scheme.scheme = TPM2_ALG_NULL;
  }
  return p;
}

int main(int argc, char **argv) {
  if (argc != 3) return 2;
  int salted = strcmp(argv[1], "salted") == 0;
  int count = atoi(argv[2]);
  TSS2_TCTI_CONTEXT *tcti = NULL;
  ESYS_CONTEXT *c = NULL;
  check(Tss2_TctiLdr_Initialize(getenv("TCTI"), &tcti), "TCTI");
  check(Esys_Initialize(&c, tcti, NULL), "Esys_Initialize");

  TPM2B_SENSITIVE_CREATE sensitive = {0};
  TPM2B_DATA outside = {0};
  TPML_PCR_SELECTION pcrs = {0};
  TPM2B_PUBLIC parent_template = template(0), key_template = template(1);
  ESYS_TR parent, key, session = ESYS_TR_PASSWORD;
  check(Esys_CreatePrimary(c, ESYS_TR_RH_ENDORSEMENT, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, &sensitive,
                           &parent_template, &outside, &pcrs, &parent, NULL, NULL, NULL, NULL),
        "CreatePrimary");
  TPM2B_AUTH auth = {.size = 32};
  memset(auth.buffer, 0x5a, sizeof auth.buffer);
  sensitive.sensitive.userAuth = auth;
  TPM2B_PRIVATE *private = NULL;
  TPM2B_PUBLIC *public = NULL;
  check(Esys_Create(c, parent, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, &sensitive, &key_template, &outside, &pcrs,
                    &private, &public, NULL, NULL, NULL),
        "Create");
  check(Esys_Load(c, parent, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, private, public, &key), "Load");
  check(Esys_TR_SetAuth(c, key, &auth), "SetAuth");
  if (salted) {
    TPMT_SYM_DEF symmetric = {.algorithm = TPM2_ALG_AES, .keyBits.aes = 128, .mode.aes = TPM2_ALG_CFB};
    check(Esys_StartAuthSession(c, parent, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, NULL, TPM2_SE_HMAC,
                                &symmetric, TPM2_ALG_SHA256, &session),
          "StartAuthSession");
    /* The digest crosses encrypted; a signature is no structure that a session can encrypt. */
    check(Esys_TRSess_SetAttributes(c, session, TPMA_SESSION_CONTINUESESSION | TPMA_SESSION_DECRYPT, 0xff), "attributes");
  }

  TPM2B_DIGEST digest = {.size = 32};
  TPMT_SIG_SCHEME scheme = {.scheme = TPM2_ALG_NULL};
  TPMT_TK_HASHCHECK ticket = {.tag = TPM2_ST_HASHCHECK, .hierarchy = TPM2_RH_NULL};
  for (int i = 0; i < count; i++) {
    memcpy(digest.buffer, &i, sizeof i);
    TPMT_SIGNATURE *signature = NULL;
    double from = now_ms();
    check(Esys_Sign(c, key, session, ESYS_TR_NONE, ESYS_TR_NONE, &digest, &scheme, &ticket, &signature), "Sign");
    printf("%.4f\n", now_ms() - from);
    Esys_Free(signature);
  }
  if (salted) Esys_FlushContext(c, session);
  Esys_FlushContext(c, key);
  Esys_FlushContext(c, parent);
  Esys_Finalize(&c);
  Tss2_TctiLdr_Finalize(&tcti);
  return 0;
}
