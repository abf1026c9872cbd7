// SPDX-License-Identifier: Apache-2.0
//
// traders SOCKET: clients of the order book, about 2,000 requests a second from two
// connections that are renewed now and then. Each line read from standard input is
// answered with what was seen since the last one:
//
//   REQUESTS SLOWEST-MICROSECONDS <the server's own count of its objects>
//
// It ends with its standard input.
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <sys/socket.h>
#include <sys/un.h>
#include <thread>
#include <unistd.h>

namespace
{

using Clock = std::chrono::steady_clock;

constexpr int kRequestsPerConnection = 400;
constexpr auto kThinkTime = std::chrono::microseconds(900);

std::atomic<unsigned> requests{ 0 }, slowest_us{ 0 };

class Connection
{
      public:
	explicit Connection(const char *path) : fd_(socket(AF_UNIX, SOCK_STREAM, 0))
	{
		sockaddr_un address = {};

		address.sun_family = AF_UNIX;
		std::strncpy(address.sun_path, path, sizeof(address.sun_path) - 1);
		if (fd_ < 0 || connect(fd_, reinterpret_cast<sockaddr *>(&address),
				       sizeof(address)) < 0) {
			fprintf(stderr, "traders: cannot connect to '%s': %s\n", path,
				strerror(errno));
			exit(1);
		}
	}
	~Connection()
	{
		close(fd_);
	}
	Connection(const Connection &) = delete;
	Connection &operator=(const Connection &) = delete;

	// One request, one line of answer.
	std::string ask(const std::string &request)
	{
		std::string reply;
		char bytes[512];
		auto began = Clock::now();

		if (send(fd_, request.data(), request.size(), MSG_NOSIGNAL) < 0)
			lost();
		while (reply.empty() || reply.back() != '\n') {
			ssize_t n = read(fd_, bytes, sizeof(bytes));
			if (n <= 0)
				lost();
			reply.append(bytes, static_cast<size_t>(n));
		}
		count(std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() -
									    began));
		return reply;
	}

      private:
	static void lost()
	{
		fprintf(stderr, "traders: the order book closed the connection\n");
		exit(1);
	}
	static void count(std::chrono::microseconds took)
	{
		auto us = static_cast<unsigned>(took.count());
		unsigned seen = slowest_us;

		requests++;
		while (us > seen && !slowest_us.compare_exchange_weak(seen, us)) {
		}
	}

	int fd_;
};

// Places orders that rest and cancels them again, so the books stay as large as they were.
void trade(const char *path, unsigned seed)
{
	for (;;) {
		Connection exchange(path);

		for (int i = 0; i < kRequestsPerConnection; i += 2) {
			std::string symbol = std::to_string(rand_r(&seed) % 200);
			std::string reply = exchange.ask("B " + symbol + " 9000 5\n");

			std::this_thread::sleep_for(kThinkTime);
			if (reply.compare(0, 3, "ok ") == 0)
				exchange.ask("C " + reply.substr(3));
			else
				exchange.ask("Q " + symbol + "\n");
			std::this_thread::sleep_for(kThinkTime);
		}
	}
}

} // namespace

int main(int argc, char **argv)
{
	char line[64];

	if (argc != 2) {
		fprintf(stderr, "usage: traders SOCKET\n");
		return 2;
	}
	for (unsigned seed = 1; seed <= 2; seed++)
		std::thread(trade, argv[1], seed).detach();
	while (fgets(line, sizeof(line), stdin)) {
		unsigned n = requests.exchange(0), slowest = slowest_us.exchange(0);
		std::string truth = Connection(argv[1]).ask("T\n");

		printf("%u %u %s", n, slowest, truth.c_str());
		fflush(stdout);
		slowest_us = 0; // T walks every book: it is no trader's request
	}
	_exit(0);
}
