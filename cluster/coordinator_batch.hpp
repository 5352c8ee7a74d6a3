#pragma once
// Private to coordinator_*.cpp: what one append will hold. Decisions of one step are made from the same state, so two
// of them must never write the same key.

#include <set>
#include <string>
#include <vector>

#include "cluster/coordinator_core.hpp"

namespace troupe {

struct coordinator_core::batch {
  std::vector<log_write> records;
  std::set<std::string> keys;
  std::string purpose;
  std::optional<waiting_change> request;
  change_answer reply;
  std::size_t reply_index = 0;

  bool has(const control_record& record) const { return keys.contains(key_of(record)); }

  void add(const control_record& record) { add(to_log(record)); }
  void add(log_write write) {
    keys.insert(write.key);
    records.push_back(std::move(write));
  }
  void because(const std::string& why) { purpose += (purpose.empty() ? "" : "; ") + why; }
};

} // namespace troupe
