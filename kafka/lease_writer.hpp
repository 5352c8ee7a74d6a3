#pragma once
// Writes the lease topic: lease_writer of cluster/ports.hpp. INTERNAL to kafka/; others use make_lease_writer.
//
// A lease is worth something only while it is fresh: at most `waiting_max` wait for the broker, the oldest go first,
// and each is given up after `worth_ms`. One thread at a time; nothing blocks except the bounded destructor.

#include <memory>
#include <string>

#include "cluster/ports.hpp"
#include "kafka/handle.hpp"

namespace troupe::kafka {

class kafka_lease_writer final : public lease_writer {
public:
  static result<std::unique_ptr<lease_writer>> open(const kafka_properties& user, std::string topic);
  /// Gives the last beat (a resignation, say) a moment to be delivered.
  ~kafka_lease_writer() override;
  void beat(std::string value) override;

private:
  kafka_lease_writer(std::string topic, handle_ptr client)
      : topic_(std::move(topic))
      , client_(std::move(client)) {}
  rd_kafka_resp_err_t produce(const std::string& value);

  const std::string topic_;
  rd_kafka_resp_err_t told_ = RD_KAFKA_RESP_ERR_NO_ERROR; ///< the problem that was logged last
  handle_ptr client_;
};

} // namespace troupe::kafka
