#include "http/address.hpp"

#include "../../support/temp_directory.hpp"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

namespace slipway::http {
namespace {

TEST(ListenAddress, ReadsNumericAddresses) {
  const auto v4 = ListenAddress::parse("127.0.0.1:5000");
  ASSERT_TRUE(v4);
  EXPECT_EQ(v4->host, "127.0.0.1");
  EXPECT_EQ(v4->port, 5000);
  EXPECT_FALSE(v4->tls.has_value());
  const auto v6 = ListenAddress::parse("https://[2001:db8::1]:443");
  ASSERT_TRUE(v6);
  EXPECT_EQ(v6->host, "2001:db8::1");
  EXPECT_EQ(v6->port, 443);
  EXPECT_EQ(v6->tls, true);
  EXPECT_EQ(ListenAddress::parse("http://0.0.0.0:80")->tls, false);
}

TEST(ListenAddress, KnowsLocalhost) { EXPECT_EQ(ListenAddress::parse("localhost:5000")->host, "127.0.0.1"); }

TEST(ListenAddress, ReadsUnixSockets) {
  const auto address = ListenAddress::parse("unix:/run/slipway.sock");
  ASSERT_TRUE(address);
  EXPECT_EQ(address->unix_path, "/run/slipway.sock");
  EXPECT_TRUE(address->host.empty());
}

TEST(ListenAddress, RefusesTheRestAndSaysWhatItExpects) {
  for (const auto* text : {"",
                           "127.0.0.1",
                           ":5000",
                           "127.0.0.1:",
                           "127.0.0.1:x",
                           "127.0.0.1:65536",
                           "127.0.0.1:-1",
                           "127.0.0.1:5000/",
                           "example.org:5000",
                           "::1:5000",
                           "[::1]",
                           "[::1:5000",
                           "[127.0.0.1]:5000",
                           "256.0.0.1:80",
                           "1.2.3:80",
                           "unix:",
                           "ftp://127.0.0.1:80",
                           "[]:80",
                           "127.0.0.1:50 00",
                           "127.0.0.1:0x50"}) {
    const auto address = ListenAddress::parse(text);
    ASSERT_FALSE(address) << text;
    EXPECT_EQ(address.error().failure, Failure::invalid);
    EXPECT_NE(address.error().message.find("127.0.0.1:5000"), std::string::npos);
  }
  EXPECT_FALSE(ListenAddress::parse("unix:/" + std::string(200, 'x')));
  EXPECT_FALSE(ListenAddress::parse(std::string("127.0.0.1\0:80", 13)));
}

TEST(ListenAddress, KnowsWhoCanReachIt) {
  for (const auto* text : {"127.0.0.1:80", "127.9.9.9:80", "[::1]:80", "unix:/x", "localhost:80"})
    EXPECT_TRUE(ListenAddress::parse(text)->is_local()) << text;
  for (const auto* text : {"0.0.0.0:80", "[::]:80", "10.0.0.1:80", "[2001:db8::1]:80", "128.0.0.1:80"})
    EXPECT_FALSE(ListenAddress::parse(text)->is_local()) << text;
}

TEST(ListenOn, PicksAFreePortAndTellsIt) {
  const auto address = *ListenAddress::parse("127.0.0.1:0");
  const auto socket = listen_on(address);
  ASSERT_TRUE(socket);
  const auto url = url_of(address, socket->get(), false);
  EXPECT_TRUE(url.starts_with("http://127.0.0.1:"));
  EXPECT_FALSE(url.ends_with(":0"));
  EXPECT_TRUE(url_of(address, socket->get(), true).starts_with("https://"));
}

TEST(ListenOn, TellsThatAPortIsTaken) {
  const auto first = listen_on(*ListenAddress::parse("127.0.0.1:0"));
  ASSERT_TRUE(first);
  const auto url = url_of(*ListenAddress::parse("127.0.0.1:0"), first->get(), false);
  const auto second = listen_on(*ListenAddress::parse(url));
  ASSERT_FALSE(second);
  EXPECT_NE(second.error().message.find("127.0.0.1:"), std::string::npos);
}

TEST(ListenOn, ReplacesAStaleUnixSocketButNotALiveOne) {
  const test::TempDirectory directory;
  const auto address = *ListenAddress::parse("unix:" + (directory / "s").string());
  {
    ASSERT_TRUE(listen_on(address));
  }  // closed without removing its file, as a killed server does
  ASSERT_TRUE(std::filesystem::exists(address.unix_path));
  const auto second = listen_on(address);
  EXPECT_TRUE(second);
  EXPECT_FALSE(listen_on(address));
}

TEST(ListenOn, LeavesAnOrdinaryFileAlone) {
  const test::TempDirectory directory;
  const auto path = directory.write("s", "precious");
  EXPECT_FALSE(listen_on(*ListenAddress::parse("unix:" + path.string())));
  EXPECT_EQ(std::filesystem::file_size(path), 8U);
}

TEST(PeerOf, TellsAddressesWithoutPort) {
  sockaddr_in v4{};
  v4.sin_family = AF_INET;
  v4.sin_addr.s_addr = htonl(0x0a000001);
  v4.sin_port = htons(1234);
  EXPECT_EQ(peer_of(reinterpret_cast<const sockaddr&>(v4)), "10.0.0.1");
  sockaddr_in6 v6{};
  v6.sin6_family = AF_INET6;
  v6.sin6_addr = in6addr_loopback;
  EXPECT_EQ(peer_of(reinterpret_cast<const sockaddr&>(v6)), "::1");
  sockaddr_un local{};
  local.sun_family = AF_UNIX;
  EXPECT_EQ(peer_of(reinterpret_cast<const sockaddr&>(local)), "unix");
}

struct Match {
  const char* network;
  const char* address;
  bool contained;
};

TEST(Network, ContainsWhatItsBitsSay) {
  for (const auto& [text, address, contained] :
       std::initializer_list<Match>{{"10.0.0.0/8", "10.255.1.2", true},
                                    {"10.0.0.0/8", "11.0.0.0", false},
                                    {"10.1.2.3", "10.1.2.3", true},
                                    {"10.1.2.3", "10.1.2.4", false},
                                    {"10.1.2.3/32", "10.1.2.3", true},
                                    {"192.168.1.128/25", "192.168.1.127", false},
                                    {"192.168.1.128/25", "192.168.1.200", true},
                                    {"0.0.0.0/0", "203.0.113.9", true},
                                    {"0.0.0.0/0", "::1", false},
                                    {"::/0", "::1", true},
                                    {"::/0", "10.0.0.1", true},
                                    {"2001:db8::/32", "2001:db8:ffff::1", true},
                                    {"2001:db8::/32", "2001:db9::1", false},
                                    {"::1", "::1", true},
                                    {"::1", "::2", false},
                                    {"10.0.0.0/9", "10.127.255.255", true},
                                    {"10.0.0.0/9", "10.128.0.0", false}}) {
    const auto network = Network::parse(text);
    ASSERT_TRUE(network) << text;
    EXPECT_EQ(network->contains(address), contained) << text << " and " << address;
  }
}

TEST(Network, TakesAMappedAddressForItsIpv4Form) {
  EXPECT_TRUE(Network::parse("10.0.0.0/8")->contains("::ffff:10.1.2.3"));
  EXPECT_FALSE(Network::parse("10.0.0.0/8")->contains("::ffff:11.1.2.3"));
  EXPECT_TRUE(Network::parse("::ffff:10.0.0.0/104")->contains("10.1.2.3"));
}

TEST(Network, OfUnixSocketsContainsThemOnly) {
  const auto network = *Network::parse("unix");
  EXPECT_TRUE(network.contains("unix"));
  EXPECT_FALSE(network.contains("127.0.0.1"));
  EXPECT_FALSE(Network::parse("::/0")->contains("unix"));
}

TEST(Network, ContainsNothingThatIsNoAddress) {
  for (const auto* text : {"", "x", "10.0.0", "10.0.0.1:80", "10.0.0.1 ", "[::1]"})
    EXPECT_FALSE(Network::parse("::/0")->contains(text)) << text;
  EXPECT_FALSE(Network::parse("10.0.0.0/8")->contains(std::string("10.0.0.1\0x", 10)));
}

TEST(Network, RefusesWhatIsNone) {
  for (const auto* text : {"", "/8", "10.0.0.0/", "10.0.0.0/33", "::/129", "10.0.0.0/-1", "10.0.0.0/8/8", "10.0.0.0/x",
                           "example.org", "Unix", "10.0.0.0/ 8", "[::1]/128"}) {
    const auto network = Network::parse(text);
    ASSERT_FALSE(network) << text;
    EXPECT_EQ(network.error().failure, Failure::invalid);
  }
}

}  // namespace
}  // namespace slipway::http
