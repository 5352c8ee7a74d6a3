#pragma once
// When does this node try to become the coordinator, and when does it stop being it. Pure: the coordinator actor feeds
// it with what its two readers see and asks what to do; it never rules by itself, the claim in the control topic does.
//
//            lease silent, refused, resigned            turn over            a fetch succeeded since
//   following -------------------------------> waiting -----------> looking -------------------------> claiming
//       ^  <----------------------------------------------------------- |                                  |
//       |      a lease of the present term, or a newer claim            |                claim of ours read|
//       +---------------------------------------------------------------+                                  v
//       +------------------------------- newer claim, or resign() ------------------------------------- ruling
//
// Silence is counted on the steady clock in small steps and only while fetches succeed; losing contact with Kafka
// starts the count again, so an outage deposes nobody, and neither does a node that was frozen itself.

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "cluster/control_records.hpp"
#include "cluster/ids.hpp"
#include "cluster/membership.hpp"

namespace troupe {

struct election_timings {
  std::chrono::milliseconds beat{500};          ///< between leases
  std::chrono::milliseconds timeout{2000};      ///< silence that makes a candidate
  std::chrono::milliseconds turn{1000};         ///< a rank waits that much longer than the one before
  std::chrono::milliseconds turn_resigned{300}; ///< the same after a resignation
  std::chrono::milliseconds jitter_max{250};
  std::chrono::milliseconds contact_max{1500}; ///< a fetch older than this is no contact
  std::chrono::milliseconds step_max{250};     ///< at most so much silence is counted between two looks
  std::chrono::milliseconds claim_retry{1000}; ///< after a claim that failed
  std::chrono::milliseconds claim_patience{
      3000}; ///< how long a candidate waits for another one that said it is claiming
};

enum class election_phase : std::uint8_t { following, waiting, looking, claiming, ruling, retired };
const char* to_string(election_phase phase);

class election {
public:
  /// `seed` makes the jitter: random in a node, fixed in tests.
  election(node_ref self, election_timings timings, std::uint64_t seed);

  // ---- what was seen
  /// The control reader is at its end, and so is the lease reader: before that nothing is decided.
  void caught_up(bool both);
  /// Coordinator-role members, oldest first (for the rank).
  void members(std::vector<node_ref> by_age);
  /// A claim read in the control topic (in order; ours included). Its offset is the term.
  void claim_seen(term_id term, const node_ref& node, steady_time now);
  void lease_seen(const lease_record& lease, steady_time now);
  /// A connection to the node's port was refused, so nobody is there.
  void refused(const node_ref& node, steady_time now);

  // ---- what to do
  struct advice {
    enum class what_kind : std::uint8_t {
      follow,     ///< nothing to do
      wait,       ///< candidate, waiting for its turn until `until` (or for the claim to end)
      look_again, ///< its turn has come: go on polling both readers, one more fetch has to succeed
      claim, ///< open the control writer, append claim_record{self}, then call claim_appended or claim_failed. Given
             ///< once
      rule,  ///< ours is the latest claim
    } what = what_kind::follow;
    steady_time until{};
    std::string why; ///< for the log
  };
  /// To be called every 50 ms or so. `since_contact`: how long ago Kafka last answered a fetch, of the reader (control
  /// or lease) where that is longer ago.
  advice step(steady_time now, std::chrono::milliseconds since_contact);
  /// The claim is durable at this offset; ruling begins when claim_seen reports it.
  void claim_appended(term_id term, steady_time now);
  void claim_failed(steady_time now);

  /// While ruling: is a lease due? Says yes once per beat.
  bool beat_due(steady_time now);
  lease_record lease() const { return {term_, self_, resigned_, phase_ == election_phase::claiming}; }
  /// No more rule, for good (the node stops). True if it ruled: then lease() with `resigned` is to be beaten once.
  bool resign();
  /// The writer was fenced or lost: follow whoever comes, or stand again in turn.
  void step_down();

  election_phase phase() const { return phase_; }
  bool ruling() const { return phase_ == election_phase::ruling; }
  term_id term() const { return term_; }
  /// Candidates that go before this node.
  std::size_t rank() const;
  /// Leases of older terms that were ignored.
  std::uint64_t stale_leases() const { return stale_leases_; }

private:
  bool holder_resigned() const { return resigned_term_ && *resigned_term_ == term_; }
  void follow();
  void begin_rule();
  void stand(steady_time now, std::chrono::milliseconds turn, std::string why);
  void other_claims(const lease_record& lease, steady_time now);
  std::chrono::milliseconds jitter();

  node_ref self_;
  election_timings timings_;
  std::mt19937_64 random_;
  election_phase phase_ = election_phase::following;
  bool caught_up_ = false;
  std::vector<node_ref> members_;
  std::map<node_ref, steady_time> refused_;
  term_id term_{-1};
  std::optional<node_ref> holder_;
  std::optional<term_id> resigned_term_;
  term_id term_before_claim_{-1};
  std::optional<term_id> own_claim_;
  bool any_lease_ = false;
  bool resigned_ = false;
  std::chrono::nanoseconds silence_{0};
  std::optional<steady_time> last_step_;
  steady_time until_{}, look_started_{};
  std::string why_;
  std::optional<steady_time> last_beat_;
  std::uint64_t stale_leases_ = 0;
};

} // namespace troupe
