// What the supervisors under test run: one small program with a few modes. It tells the benchmark over a unix socket that it
// is there, and when it began; it ends as the benchmark says, and with it. It is C, without libraries to load: the runtime of a
// larger program takes longer to come and go than what is measured of a supervisor.
//
//   child SOCKET ID MODE [ARGUMENT]
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const char *path, *id;
static int bell;

// now is CLOCK_MONOTONIC in nanoseconds, which all processes share.
static long long now(void) {
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

static void dial(void) {
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	bell = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bell < 0 || strlen(path) >= sizeof addr.sun_path)
		exit(1);
	strcpy(addr.sun_path, path);
	if (connect(bell, (struct sockaddr *)&addr, sizeof addr) != 0)
		exit(1);
}

static void say(const char *label, long long at) {
	char line[256];
	int n = snprintf(line, sizeof line, "%s %s %d %lld\n", id, label, getpid(), at);
	if (write(bell, line, n) != n)
		exit(1);
}

static void all(const char *b, size_t n) {
	while (n > 0) {
		ssize_t w = write(STDOUT_FILENO, b, n);
		if (w < 0 && errno == EINTR)
			continue;
		if (w < 0)
			exit(1);
		b += w;
		n -= w;
	}
}

// told ends as the benchmark says, or because it has gone.
static void told(void) {
	unsigned char code;
	ssize_t n = read(bell, &code, 1);
	if (n < 0 && errno == EINTR)
		return;
	exit(n == 1 ? code : 0);
}

static void hold(void) {
	for (;;)
		told();
}

// tick writes a numbered line each 100 ms. When nobody reads them any more it dies as other programs do.
static void tick(void) {
	struct pollfd p = {.fd = bell, .events = POLLIN};
	long long next = now();
	for (int n = 1;; n++) {
		char line[64];
		all(line, snprintf(line, sizeof line, "tick %d %d all is well\n", getpid(), n));
		next += 100000000;
		for (long long left; (left = next - now()) > 0;)
			if (poll(&p, 1, left / 1000000 + 1) > 0)
				told();
	}
}

// lines writes lines of 100 bytes that begin with their number, counted in place: formatting them would be what is measured.
static void lines(long total) {
	enum { size = 100, batch = 640 };
	static char block[size * batch];
	char line[size];
	int used = 0;
	memset(line, 'x', size);
	memcpy(line, "000000000000 ", 13);
	line[size - 1] = '\n';
	for (long n = 0; n < total / size; n++) {
		for (int i = 11; ++line[i] > '9'; i--)
			line[i] = '0';
		memcpy(block + used, line, size);
		used += size;
		if (used == sizeof block || n == total / size - 1) {
			all(block, used);
			used = 0;
		}
	}
}

static void spawn(const char *mode, int session) {
	pid_t pid = fork();
	if (pid < 0)
		exit(1);
	if (pid == 0) {
		sigset_t none;
		sigemptyset(&none);
		sigprocmask(SIG_SETMASK, &none, NULL);
		if (session)
			setsid();
		execl("/proc/self/exe", "child", path, id, mode, (char *)NULL);
		_exit(1);
	}
	if (strcmp(mode, "parent") == 0)
		waitpid(pid, NULL, 0);
}

// parent has a tree, and ends at SIGTERM or only says that it came.
static void tree(int obeys, long long began) {
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	struct pollfd p[2] = {{.fd = bell, .events = POLLIN}, {.fd = signalfd(-1, &set, SFD_CLOEXEC), .events = POLLIN}};
	say("main", began);
	spawn("stubborn", 0);
	spawn("forked", 0);
	spawn("parent", 1);
	for (;;) {
		if (poll(p, 2, -1) < 0)
			continue;
		if (p[1].revents) {
			struct signalfd_siginfo info;
			if (read(p[1].fd, &info, sizeof info) == sizeof info)
				say("term", now());
			if (obeys)
				exit(0);
		}
		if (p[0].revents)
			told();
	}
}

int main(int argc, char **argv) {
	long long began = now();
	if (argc < 4)
		return 2;
	path = argv[1];
	id = argv[2];
	const char *mode = argv[3];
	dial();
	if (strcmp(mode, "idle") == 0) {
		say("main", began);
		hold();
	} else if (strcmp(mode, "tick") == 0) {
		say("main", began);
		tick();
	} else if (strcmp(mode, "lines") == 0 && argc == 5) {
		say("main", began);
		lines(atol(argv[4]));
		say("done", now());
		hold();
	} else if (strcmp(mode, "obedient") == 0 || strcmp(mode, "deaf") == 0) {
		tree(mode[0] == 'o', began);
	} else if (strcmp(mode, "parent") == 0) { // of a daemon made the old way: it ends, and nobody knows whose child that was
		spawn("daemon", 1);
		return 0;
	} else if (strcmp(mode, "stubborn") == 0 || strcmp(mode, "daemon") == 0) {
		signal(SIGTERM, SIG_IGN);
		signal(SIGINT, SIG_IGN);
		signal(SIGHUP, SIG_IGN);
		say(mode, began);
		hold();
	} else if (strcmp(mode, "forked") == 0) {
		say(mode, began);
		hold();
	}
	return 2;
}
