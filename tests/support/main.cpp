// The main() of every test executable; TROUPE_TEST_MODULE is the folder it was built from.
#define BOOST_TEST_MODULE TROUPE_TEST_MODULE
#include <boost/test/unit_test.hpp>
