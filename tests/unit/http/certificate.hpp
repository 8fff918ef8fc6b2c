#pragma once
// Self-signed certificates, made on the spot.

#include <filesystem>
#include <memory>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <string>

namespace slipway::http {

/// Writes a certificate for `name` and its key, PEM, over what is there. Their time stamps are `ahead` of now,
/// so that replacing them shows even within one tick of the file system's clock.
inline void write_certificate(const std::filesystem::path& certificate_file, const std::filesystem::path& key_file,
                              const std::string& name, std::chrono::seconds ahead = {}) {
  const std::unique_ptr<EVP_PKEY, void (*)(EVP_PKEY*)> key(EVP_EC_gen("P-256"), EVP_PKEY_free);
  const std::unique_ptr<X509, void (*)(X509*)> certificate(X509_new(), X509_free);
  X509_set_version(certificate.get(), 2);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate.get()), 1);
  X509_gmtime_adj(X509_getm_notBefore(certificate.get()), -3600);
  X509_gmtime_adj(X509_getm_notAfter(certificate.get()), 3600);
  X509_set_pubkey(certificate.get(), key.get());
  auto* subject = X509_get_subject_name(certificate.get());
  X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1,
                             0);
  X509_set_issuer_name(certificate.get(), subject);
  X509_sign(certificate.get(), key.get(), EVP_sha256());

  using File = std::unique_ptr<FILE, int (*)(FILE*)>;
  {
    const File out(std::fopen(certificate_file.c_str(), "w"), std::fclose);
    PEM_write_X509(out.get(), certificate.get());
  }
  {
    const File out(std::fopen(key_file.c_str(), "w"), std::fclose);
    PEM_write_PrivateKey(out.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr);
  }
  for (const auto& file : {certificate_file, key_file})
    std::filesystem::last_write_time(file, std::filesystem::file_time_type::clock::now() + ahead);
}

}  // namespace slipway::http
