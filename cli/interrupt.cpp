#include "cli/interrupt.hpp"

#include <csignal>
#include <initializer_list>

namespace troupe::cli {
namespace {

volatile std::sig_atomic_t seen = 0;

void note(int) { seen = seen + 1; }

} // namespace

void watch_interrupts() {
  struct sigaction action {};
  action.sa_handler = note;
  sigemptyset(&action.sa_mask);
  action.sa_flags = 0; // no SA_RESTART: read() has to return
  for (int sig : {SIGINT, SIGTERM, SIGHUP}) sigaction(sig, &action, nullptr);
}

int interrupts() { return seen; }

} // namespace troupe::cli
