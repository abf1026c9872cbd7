// SPDX-License-Identifier: Apache-2.0
//
// orderbook SOCKET: a small exchange, to be looked into while it works. Workers keep the
// books of 200 symbols in the containers that such programs use, and answer, line by line:
//
//   B SYMBOL PRICE QTY   buy, S sells     ok ID (resting) or filled
//   C ID                 cancel           ok or none
//   Q SYMBOL             best prices      BID ASK
//   T                    the truth        what the program itself counts
//
// Two faults are planted, of the kind that is found at night in production:
//   a leak           every session subscribes a listener to the feed; when the session
//                    ends it is forgotten, but its listener stays in the feed's list.
//   fragmentation    at start each worker renders its orders into short-lived buffers and
//                    keeps a small audit note between any two of them: when the buffers
//                    have gone, the holes they leave cannot be given back to the system.
#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <thread>
#include <unistd.h>
#include <unordered_map>
#include <vector>

namespace market
{

constexpr unsigned kWorkers = 4, kSymbols = 200, kOrdersPerSymbol = 300;
constexpr unsigned kPastSessions = 20000, kRenderBytes = 1200, kReplayBytes = 2048;

struct Order {
	uint64_t id;
	uint32_t symbol, price, quantity;
	bool is_buy;
	std::string client; // longer than what fits inside the string

	Order(uint64_t i, uint32_t s, uint32_t p, uint32_t q, bool buy)
	    : id(i), symbol(s), price(p), quantity(q), is_buy(buy),
	      client("desk-" + std::to_string(i % 97) + "/trader-" + std::to_string(i))
	{
	}
	virtual ~Order() = default;
	virtual uint32_t visible() const = 0;
};

struct LimitOrder : Order {
	using Order::Order;
	uint32_t visible() const override
	{
		return quantity;
	}
};

struct IcebergOrder : Order {
	uint32_t tip = 10;
	using Order::Order;
	uint32_t visible() const override
	{
		return quantity < tip ? quantity : tip;
	}
};

using OrderPtr = std::shared_ptr<Order>;
using Level = std::list<OrderPtr>;

struct Book {
	std::mutex lock;
	std::map<uint32_t, Level> bids, asks;
	std::unordered_map<uint64_t, OrderPtr> by_id;

	std::map<uint32_t, Level> &side(bool buy)
	{
		return buy ? bids : asks;
	}

	void rest(const OrderPtr &order)
	{
		side(order->is_buy)[order->price].push_back(order);
		by_id[order->id] = order;
	}

	void remove(const OrderPtr &order)
	{
		auto &levels = side(order->is_buy);
		auto level = levels.find(order->price);

		level->second.remove(order);
		if (level->second.empty())
			levels.erase(level);
		by_id.erase(order->id);
	}

	// Fill `order` from the other side, best price first.
	void match(const OrderPtr &order)
	{
		auto &others = side(!order->is_buy);

		while (order->quantity > 0 && !others.empty()) {
			auto best =
				order->is_buy ? others.begin() : std::prev(others.end());
			if (order->is_buy ? best->first > order->price
					  : best->first < order->price)
				return;
			OrderPtr other = best->second.front();
			uint32_t filled = std::min(order->quantity, other->quantity);
			order->quantity -= filled;
			other->quantity -= filled;
			if (other->quantity == 0)
				remove(other);
		}
	}
};

// Who hears of trades. Each keeps the latest ones, to replay after a hiccup.
struct Listener {
	virtual ~Listener() = default;
	virtual void hear(uint32_t symbol, uint32_t price) = 0;
};

struct Subscriber : Listener {
	std::vector<char> replay;
	size_t at = 0;

	Subscriber() : replay(kReplayBytes)
	{
	}
	void hear(uint32_t symbol, uint32_t price) override
	{
		uint32_t tick[2] = { symbol, price };

		if (at + sizeof(tick) > replay.size())
			at = 0;
		std::memcpy(&replay[at], tick, sizeof(tick));
		at += sizeof(tick);
	}
};

struct Feed {
	std::mutex lock;
	std::vector<Listener *> listeners;

	Listener *subscribe()
	{
		std::lock_guard<std::mutex> hold(lock);

		listeners.push_back(new Subscriber);
		return listeners.back();
	}
	// There is no unsubscribe: this is the planted leak.
};

struct Session {
	int fd;
	Listener *listener;
	std::string input;
};

class Exchange
{
      public:
	void warm_up();
	void serve(int listening);

      private:
	void load_symbols(unsigned worker);
	void work(unsigned worker);
	bool read_requests(Session &session);
	std::string answer(Session &session, const std::string &request);
	std::string place(Session &session, bool buy, uint32_t symbol, uint32_t price,
			  uint32_t quantity);
	std::string cancel(uint64_t id);
	std::string truth();

	Book books_[kSymbols];
	Feed feed_;
	std::atomic<uint64_t> next_id_{ 1 }, served_{ 0 };
	std::vector<std::unique_ptr<std::string>> audit_[kWorkers];
	int epolls_[kWorkers];
};

// One worker's share of the books, and the planted fragmentation.
void Exchange::load_symbols(unsigned worker)
{
	std::vector<std::unique_ptr<char[]>> renderings;

	for (unsigned symbol = worker; symbol < kSymbols; symbol += kWorkers) {
		for (unsigned i = 0; i < kOrdersPerSymbol; i++) {
			bool buy = i % 2 == 0;
			uint32_t price = buy ? 10000 - i % 50 : 10001 + i % 50;
			// An id says in which book to look.
			uint64_t id = next_id_++ * kSymbols + symbol;
			OrderPtr order;

			if (i % 10 == 0)
				order.reset(
					new IcebergOrder(id, symbol, price, 100, buy));
			else
				order.reset(new LimitOrder(id, symbol, price, 10, buy));
			books_[symbol].rest(order);
			if (i % 2)
				continue;
			renderings.emplace_back(new char[kRenderBytes]);
			snprintf(renderings.back().get(), kRenderBytes, "order %s at %u",
				 order->client.c_str(), price);
			audit_[worker].emplace_back(new std::string(
				order->client + " placed before the open"));
		}
	}
}

void Exchange::warm_up()
{
	std::vector<std::thread> threads;

	for (unsigned w = 0; w < kWorkers; w++)
		threads.emplace_back([this, w] { load_symbols(w); });
	for (auto &t : threads)
		t.join();
	for (unsigned i = 0; i < kPastSessions; i++)
		feed_.subscribe();
}

std::string Exchange::place(Session &session, bool buy, uint32_t symbol, uint32_t price,
			    uint32_t quantity)
{
	Book &book = books_[symbol];
	uint64_t id = next_id_++ * kSymbols + symbol;
	OrderPtr order(new LimitOrder(id, symbol, price, quantity, buy));
	std::lock_guard<std::mutex> hold(book.lock);

	book.match(order);
	session.listener->hear(symbol, price);
	if (order->quantity == 0)
		return "filled\n";
	book.rest(order);
	return "ok " + std::to_string(id) + "\n";
}

std::string Exchange::cancel(uint64_t id)
{
	Book &book = books_[id % kSymbols];
	std::lock_guard<std::mutex> hold(book.lock);
	auto found = book.by_id.find(id);

	if (found == book.by_id.end())
		return "none\n";
	OrderPtr order = found->second;
	book.remove(order);
	return "ok\n";
}

std::string Exchange::truth()
{
	size_t limit = 0, iceberg = 0, notes = 0;

	for (auto &book : books_) {
		std::lock_guard<std::mutex> hold(book.lock);

		for (auto &entry : book.by_id)
			(dynamic_cast<LimitOrder *>(entry.second.get()) ? limit
									: iceberg)++;
	}
	for (auto &audit : audit_)
		notes += audit.size();
	std::lock_guard<std::mutex> hold(feed_.lock);
	char list[32];
	snprintf(list, sizeof(list), "%p", static_cast<void *>(feed_.listeners.data()));
	return "LimitOrder " + std::to_string(limit) + " IcebergOrder " +
	       std::to_string(iceberg) + " Subscriber " +
	       std::to_string(feed_.listeners.size()) + " list " + list + " notes " +
	       std::to_string(notes) + " served " + std::to_string(served_) + "\n";
}

std::string Exchange::answer(Session &session, const std::string &request)
{
	unsigned long long id;
	unsigned symbol, price, quantity;
	char what;

	served_++;
	if (sscanf(request.c_str(), "%c %u %u %u", &what, &symbol, &price, &quantity) ==
		    4 &&
	    (what == 'B' || what == 'S') && symbol < kSymbols)
		return place(session, what == 'B', symbol, price, quantity);
	if (sscanf(request.c_str(), "C %llu", &id) == 1)
		return cancel(id);
	if (sscanf(request.c_str(), "Q %u", &symbol) == 1 && symbol < kSymbols) {
		Book &book = books_[symbol];
		std::lock_guard<std::mutex> hold(book.lock);
		uint32_t bid = book.bids.empty() ? 0 : book.bids.rbegin()->first;
		uint32_t ask = book.asks.empty() ? 0 : book.asks.begin()->first;
		return std::to_string(bid) + " " + std::to_string(ask) + "\n";
	}
	return request == "T" ? truth() : "what?\n";
}

// False: the client has gone.
bool Exchange::read_requests(Session &session)
{
	char bytes[4096];
	ssize_t n = read(session.fd, bytes, sizeof(bytes));
	size_t end;

	if (n <= 0)
		return false;
	session.input.append(bytes, static_cast<size_t>(n));
	while ((end = session.input.find('\n')) != std::string::npos) {
		std::string reply = answer(session, session.input.substr(0, end));
		session.input.erase(0, end + 1);
		if (send(session.fd, reply.data(), reply.size(), MSG_NOSIGNAL) < 0)
			return false;
	}
	return true;
}

void Exchange::work(unsigned worker)
{
	std::unordered_map<int, Session> sessions;
	epoll_event events[64];

	for (;;) {
		int n = epoll_wait(epolls_[worker], events, 64, -1);

		for (int i = 0; i < n; i++) {
			int fd = events[i].data.fd;
			auto found = sessions.find(fd);

			if (found == sessions.end())
				found = sessions.emplace(fd,
							 Session{ fd, feed_.subscribe(),
								  "" })
						.first;
			if (read_requests(found->second))
				continue;
			sessions.erase(found); // and its listener stays in the feed
			close(fd);
		}
	}
}

void Exchange::serve(int listening)
{
	std::vector<std::thread> threads;

	for (unsigned w = 0; w < kWorkers; w++) {
		epolls_[w] = epoll_create1(EPOLL_CLOEXEC);
		threads.emplace_back([this, w] { work(w); });
		pthread_setname_np(threads.back().native_handle(),
				   ("worker-" + std::to_string(w)).c_str());
	}
	for (unsigned next = 0;; next++) {
		int fd = accept4(listening, nullptr, nullptr, SOCK_CLOEXEC);
		epoll_event event = {};

		if (fd < 0)
			continue;
		event.events = EPOLLIN;
		event.data.fd = fd;
		epoll_ctl(epolls_[next % kWorkers], EPOLL_CTL_ADD, fd, &event);
	}
}

} // namespace market

int main(int argc, char **argv)
{
	static market::Exchange exchange;
	sockaddr_un address = {};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (argc != 2 || std::strlen(argv[1]) >= sizeof(address.sun_path)) {
		fprintf(stderr, "usage: orderbook SOCKET\n");
		return 2;
	}
	address.sun_family = AF_UNIX;
	std::strcpy(address.sun_path, argv[1]);
	if (fd < 0 ||
	    bind(fd, reinterpret_cast<sockaddr *>(&address), sizeof(address)) < 0 ||
	    listen(fd, 64) < 0) {
		fprintf(stderr, "orderbook: cannot listen at '%s': %s\n", argv[1],
			strerror(errno));
		return 1;
	}
	exchange.warm_up();
	puts("ready");
	fflush(stdout);
	exchange.serve(fd);
}
