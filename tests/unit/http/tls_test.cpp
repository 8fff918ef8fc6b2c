#include "http/tls.hpp"

#include "../../support/temp_directory.hpp"
#include "certificate.hpp"
#include "running_server.hpp"

#include <fcntl.h>

namespace slipway::http {
namespace {

class TlsTest : public testing::Test {
protected:
  TlsTest() { write_certificate(m_certificate, m_key, "first"); }

  ServerOptions options() const {
    ServerOptions out;
    out.listen = {*ListenAddress::parse("https://127.0.0.1:0")};
    out.tls_certificate = m_certificate;
    out.tls_key = m_key;
    return out;
  }

  test::TempDirectory m_directory;
  const std::filesystem::path m_certificate = m_directory / "cert.pem";
  const std::filesystem::path m_key = m_directory / "key.pem";
};

TEST_F(TlsTest, ServesRequestsAndBodies) {
  const RunningServer server(
      [](Request& request) -> Answer {
        if (request.has_body) return std::make_unique<Echo>();
        return Response::text(200, request.secure ? "secure" : "plain");
      },
      {}, options());
  EXPECT_TRUE(server.url().starts_with("https://"));
  auto client = server.connect();
  ASSERT_TRUE(client.connected());
  EXPECT_EQ(client.certificate_name(), "first");
  EXPECT_EQ(client.ask("GET /").body, "secure");
  const std::string content(700'000, 'x');
  EXPECT_TRUE(client.ask("PUT /", "", content).body == content);
  for (int i = 0; i < 10; ++i) EXPECT_EQ(client.ask("PUT /", "", std::to_string(i)).body, std::to_string(i));
}

TEST_F(TlsTest, SendsFilesWhole) {
  std::string content;
  for (int i = 0; i < 400'000; ++i) content += std::to_string(i);
  const auto file = std::make_shared<const Fd>(*open_file(m_directory.write("f", content), O_RDONLY));
  const RunningServer server(
      [&](Request&) -> Answer { return Response{200, {}, FileSlice{file, {1, content.size() - 1}}, false}; }, {},
      options());
  auto client = server.connect();
  EXPECT_TRUE(client.ask("GET /").body == content.substr(1));
  EXPECT_TRUE(client.ask("GET /").body == content.substr(1));
}

TEST_F(TlsTest, HangsUpOnWhoeverDoesNotSpeakIt) {
  const RunningServer server([](Request&) -> Answer { return Response::text(200, ""); }, {}, options());
  RawClient client("http" + server.url().substr(5));
  client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_EQ(client.rest().find("200 OK"), std::string::npos);
}

TEST_F(TlsTest, EndsAHandshakeThatTakesTooLong) {
  Limits limits;
  limits.head_timeout = std::chrono::milliseconds(200);
  const RunningServer server([](Request&) -> Answer { return Response::text(200, ""); }, limits, options());
  RawClient client("http" + server.url().substr(5));
  client.send("\x16\x03\x01");
  static_cast<void>(client.rest());  // returns only when the server hangs up
}

TEST_F(TlsTest, ServesANewCertificateWithoutARestart) {
  const RunningServer server([](Request&) -> Answer { return Response::text(200, "ok"); }, {}, options());
  auto before = server.connect();
  write_certificate(m_certificate, m_key, "second", std::chrono::seconds(10));
  std::string name = "first";
  while (name == "first") name = server.connect().certificate_name();
  EXPECT_EQ(name, "second");
  EXPECT_EQ(before.ask("GET /").body, "ok");  // what runs keeps running
}

TEST_F(TlsTest, ReloadsOnlyWhatChanged) {
  const auto context = TlsContext::load(m_certificate, m_key);
  ASSERT_TRUE(context);
  EXPECT_EQ((*context)->reload_if_changed(), false);
  write_certificate(m_certificate, m_key, "second", std::chrono::seconds(10));
  EXPECT_EQ((*context)->reload_if_changed(), true);
  EXPECT_EQ((*context)->reload_if_changed(), false);
}

TEST_F(TlsTest, KeepsTheOldCertificateWhereTheNewOneIsBroken) {
  const auto context = TlsContext::load(m_certificate, m_key);
  ASSERT_TRUE(context);
  m_directory.write("cert.pem", "half a certifica");
  const auto reloaded = (*context)->reload_if_changed();
  ASSERT_FALSE(reloaded);
  EXPECT_EQ(reloaded.error().failure, Failure::invalid);
  EXPECT_NE(reloaded.error().message.find("cert.pem"), std::string::npos);
  EXPECT_EQ((*context)->reload_if_changed(), false);  // told once
  write_certificate(m_certificate, m_key, "third", std::chrono::seconds(20));
  EXPECT_EQ((*context)->reload_if_changed(), true);
}

TEST_F(TlsTest, RefusesAKeyThatBelongsToAnotherCertificate) {
  write_certificate(m_directory / "other.pem", m_directory / "other.key", "other");
  const auto context = TlsContext::load(m_certificate, m_directory / "other.key");
  ASSERT_FALSE(context);
  EXPECT_EQ(context.error().failure, Failure::invalid);
  EXPECT_NE(context.error().message.find("other.key"), std::string::npos);
}

TEST_F(TlsTest, RefusesFilesThatAreNotThere) {
  EXPECT_FALSE(TlsContext::load(m_directory / "absent", m_key));
  EXPECT_FALSE(TlsContext::load(m_certificate, m_directory / "absent"));
}

}  // namespace
}  // namespace slipway::http
