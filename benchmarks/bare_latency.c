/*
 * The yardstick of `latency`: SLOTS threads, each with a connection of its own to Redis, that wait for an entry
 * (BLPOP), start the program with the entry's Args and wait for its end. Nothing else: no ack, no log, no capture.
 *
 *   bare_latency PORT KEY SLOTS PROGRAM [ARG...]
 *
 * Speaks to 127.0.0.1 and reads only what the benchmark writes: Args without escapes, small entries.
 * Runs until it is killed, or Redis goes away.
 */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define MOST_ARGS 32
#define MOST_BYTES 4096

extern char **environ;

static int port;
static const char *key;
static char **program;
static int fixed_args;

static void fail(const char *what)
{
    fprintf(stderr, "bare_latency: %s\n", what);
    exit(1);
}

static int connected(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    int redis = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (redis < 0 || connect(redis, (struct sockaddr *)&address, sizeof address))
        fail("cannot connect");
    setsockopt(redis, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return redis;
}

/* Reply to BLPOP: "*2", "$n", the key, "$n", the entry; each ended by CR LF, so the fifth LF is the last byte. */
static void receive(int redis, char *reply)
{
    size_t held = 0;
    for (int lines = 0; lines < 5;) {
        ssize_t n = read(redis, reply + held, MOST_BYTES - 1 - held);
        if (n <= 0)
            fail("Redis is gone, or an entry is too large");
        for (ssize_t i = 0; i < n; i++)
            lines += reply[held + i] == '\n';
        held += n;
    }
    reply[held] = 0;
}

/* Append the strings between the entry's brackets to argv, cutting them in place. */
static void add_args(char *reply, char **argv)
{
    int count = fixed_args;
    char *at = strchr(reply, '[');
    while (at && count < MOST_ARGS && (at = strchr(at, '"'))) {
        argv[count++] = ++at;
        at = strchr(at, '"');
        if (at)
            *at++ = 0;
    }
    argv[count] = NULL;
}

static void *slot(void *unused)
{
    char command[MOST_BYTES], reply[MOST_BYTES], *argv[MOST_ARGS + 1];
    int redis = connected();
    int length = snprintf(command, sizeof command, "*3\r\n$5\r\nBLPOP\r\n$%zu\r\n%s\r\n$1\r\n0\r\n", strlen(key), key);
    memcpy(argv, program, fixed_args * sizeof *argv);
    for (;;) {
        pid_t pid;
        int status;
        if (write(redis, command, length) != length)
            fail("cannot write to Redis");
        receive(redis, reply);
        add_args(reply, argv);
        if (posix_spawn(&pid, argv[0], NULL, NULL, argv, environ) || waitpid(pid, &status, 0) < 0 || status)
            fail("the program failed");
    }
    return unused;
}

int main(int argc, char **argv)
{
    int slots = argc > 3 ? atoi(argv[3]) : 0;
    pthread_t thread;
    if (argc < 5 || argc - 4 > MOST_ARGS || slots < 1 || slots > 1024 || strlen(argv[2]) > 1024) {
        fprintf(stderr, "usage: bare_latency PORT KEY SLOTS PROGRAM [ARG...]\n");
        return 2;
    }
    port = atoi(argv[1]);
    key = argv[2];
    program = argv + 4;
    fixed_args = argc - 4;
    for (int i = 1; i < slots; i++)
        if (pthread_create(&thread, NULL, slot, NULL))
            fail("cannot start a thread");
    slot(NULL);
}
