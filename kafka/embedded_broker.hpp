#pragma once
// librdkafka's in-process broker on real TCP ports of loopback: for `troupe broker`, `troupe demo` and tests. It keeps
// at most 5 MB and 100,000 records of a partition, forgets everything at exit, gives topics only the names it was
// started with (or any name that a producer asks for), and proves nothing about transactions. docs/operations.md says
// so to users.

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/result.hpp"

namespace troupe::kafka {

struct embedded_broker_settings {
  std::map<std::string, int> topics; ///< name -> partitions
  std::vector<std::string> clusters; ///< Troupe clusters whose own topics are made too
  int brokers = 1;
  /// 0: any. Else bootstrap() is 127.0.0.1:port. The brokers themselves always listen on ports of the system's choice;
  /// the fixed one is a door in front of the first, good for finding them. They live on loopback only, so that is
  /// enough.
  std::uint16_t port = 0;
};

/// Serves from the construction to the destruction. Any thread.
class embedded_broker {
public:
  /// errc::unavailable: the port is taken. errc::invalid: a topic can't be made.
  static result<std::unique_ptr<embedded_broker>> start(const embedded_broker_settings& settings);
  ~embedded_broker();

  /// "127.0.0.1:40123", with commas between several brokers.
  const std::string& bootstrap() const;

  // For tests. `api` is the request's number in Kafka's protocol (0 Produce, 1 Fetch, 3 Metadata, 8 OffsetCommit),
  // `codes` the broker's error codes that the next requests of that kind get, one each.
  void inject_errors(std::int16_t api, std::span<const int> codes);
  void set_down(int broker = 1);
  void set_up(int broker = 1);
  void set_round_trip(std::chrono::milliseconds delay, int broker = 1);
  /// The topic answers every request with this error code from now on; 0 ends it.
  void set_topic_error(const std::string& topic, int code);

private:
  struct impl;
  explicit embedded_broker(std::unique_ptr<impl> own);
  std::unique_ptr<impl> impl_;
};

} // namespace troupe::kafka
