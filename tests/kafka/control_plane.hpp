#pragma once
// What the tests of the control plane's ports share: an embedded broker with a cluster's topics, reading until a
// condition holds.

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <boost/test/unit_test.hpp>

#include "kafka/control_ports.hpp"
#include "kafka/embedded_broker.hpp"

namespace troupe::kafka {

using namespace std::chrono_literals;

/// The value of a result, or a failed test with its message.
template <class T> T must(result<T> outcome) {
  BOOST_REQUIRE_MESSAGE(outcome.has_value(), outcome.error().message);
  return std::move(*outcome);
}
inline void must(result<void> outcome) { BOOST_REQUIRE_MESSAGE(outcome.has_value(), outcome.error().message); }

/// The cluster "games" on a broker of its own.
struct control_plane {
  std::unique_ptr<embedded_broker> broker = must(embedded_broker::start({{{"dsp", 2}}, {"games"}, 1, 0}));
  kafka_properties user = {{"bootstrap.servers", broker->bootstrap()}};
  const std::string cluster = "games";
  static constexpr auto limit = 30s;

  std::unique_ptr<control_writer> open_writer() const {
    auto writer = make_control_writer(user, cluster);
    must(writer->open(limit));
    return writer;
  }
  std::unique_ptr<log_reader> read(const std::string& topic, log_start from = log_start::beginning()) const {
    return must(make_log_reader(user, topic, from, fetch_wait_embedded));
  }
};

/// Polls until `condition` holds; the limit is for a broken run only.
inline bool read_until(log_reader& reader, std::vector<log_record>& records, const std::function<bool()>& condition,
                       std::chrono::seconds limit = 30s) {
  const auto end = std::chrono::steady_clock::now() + limit;
  for (;;) {
    reader.poll(records);
    if (condition()) return true;
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(2ms);
  }
}

} // namespace troupe::kafka
