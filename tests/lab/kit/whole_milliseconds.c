/* A ppoll that waits one millisecond at least, put before bfdd's (LD_PRELOAD) in guests with virtual time.
 *
 * FRR rounds the time to its next timer down to milliseconds (lib/thread.c, fd_poll), and asks again and again with a
 * timeout of 0 for the rest. In virtual time computing costs none, so that each timer takes thousands of turns.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <poll.h>
#include <signal.h>
#include <time.h>

int ppoll(struct pollfd *fds, nfds_t count, const struct timespec *timeout, const sigset_t *signals)
{
    int (*next)(struct pollfd *, nfds_t, const struct timespec *, const sigset_t *) = dlsym(RTLD_NEXT, "ppoll");
    static const struct timespec least = {0, 1000000};

    if (timeout && timeout->tv_sec == 0 && timeout->tv_nsec < least.tv_nsec)
        timeout = &least;
    return next(fds, count, timeout, signals);
}
