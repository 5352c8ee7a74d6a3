#include "kafka/embedded_broker.hpp"

#include <charconv>

#include <fmt/format.h>

#include "cluster/ports.hpp"
#include "kafka/handle.hpp"
#include "kafka/port_forwarder.hpp"

#include <librdkafka/rdkafka_mock.h> // needs rdkafka.h before it

namespace troupe::kafka {

struct embedded_broker::impl {
  handle_ptr client; // the broker lives inside a client
  std::unique_ptr<rd_kafka_mock_cluster_t, c_deleter<rd_kafka_mock_cluster_destroy>> cluster;
  std::unique_ptr<port_forwarder> door;
  std::string bootstrap;
};

embedded_broker::embedded_broker(std::unique_ptr<impl> own)
    : impl_(std::move(own)) {}
embedded_broker::~embedded_broker() = default;

result<std::unique_ptr<embedded_broker>> embedded_broker::start(const embedded_broker_settings& settings) {
  auto own = std::make_unique<impl>();
  auto client = open_client(role::producer, {}, {{"receive.message.max.bytes", "100000000"}});
  if (!client) return tl::make_unexpected(client.error());
  own->client = std::move(*client);
  own->cluster.reset(rd_kafka_mock_cluster_new(own->client.get(), settings.brokers));
  if (!own->cluster) return fail(errc::unavailable, "can't start the embedded broker: no port on 127.0.0.1 to be had");
  auto topics = settings.topics;
  for (const auto& name : settings.clusters)
    for (const auto& topic : {control_topic(name), lease_topic(name), models_topic(name)}) topics[topic] = 1;
  for (const auto& [name, partitions] : topics)
    if (const auto code = rd_kafka_mock_topic_create(own->cluster.get(), name.c_str(), partitions, settings.brokers);
        code != RD_KAFKA_RESP_ERR_NO_ERROR)
      return tl::make_unexpected(make_error(
          code, fmt::format("the embedded broker can't make topic \"{}\" with {} partitions", name, partitions)));
  own->bootstrap = rd_kafka_mock_cluster_bootstraps(own->cluster.get());
  if (settings.port != 0) {
    std::uint16_t first = 0; // "127.0.0.1:40123,127.0.0.1:40124"
    const auto colon = own->bootstrap.find(':') + 1;
    std::from_chars(own->bootstrap.data() + colon, own->bootstrap.data() + own->bootstrap.size(), first);
    auto door = port_forwarder::start(settings.port, first);
    if (!door) return tl::make_unexpected(door.error());
    own->door = std::move(*door);
    own->bootstrap = fmt::format("127.0.0.1:{}", settings.port);
  }
  return std::unique_ptr<embedded_broker>(new embedded_broker(std::move(own)));
}

const std::string& embedded_broker::bootstrap() const { return impl_->bootstrap; }

void embedded_broker::inject_errors(std::int16_t api, std::span<const int> codes) {
  std::vector<rd_kafka_resp_err_t> errors;
  for (const auto code : codes) errors.push_back(static_cast<rd_kafka_resp_err_t>(code));
  rd_kafka_mock_push_request_errors_array(impl_->cluster.get(), api, errors.size(), errors.data());
}

void embedded_broker::set_down(int broker) { rd_kafka_mock_broker_set_down(impl_->cluster.get(), broker); }
void embedded_broker::set_up(int broker) { rd_kafka_mock_broker_set_up(impl_->cluster.get(), broker); }
void embedded_broker::set_round_trip(std::chrono::milliseconds delay, int broker) {
  rd_kafka_mock_broker_set_rtt(impl_->cluster.get(), broker, static_cast<int>(delay.count()));
}
void embedded_broker::set_topic_error(const std::string& topic, int code) {
  rd_kafka_mock_topic_set_error(impl_->cluster.get(), topic.c_str(), static_cast<rd_kafka_resp_err_t>(code));
}

} // namespace troupe::kafka
