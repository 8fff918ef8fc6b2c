// What an object store, a proxy before it or a security token service answers, and the file that keys are read from.
// Whatever it is, it is read or refused, and what is read keeps its bounds.
//
// Input: a byte that chooses the reader, then the text.

#include "base/result.hpp"
#include "input.hpp"
#include "s3/answers.hpp"
#include "s3/keyring.hpp"

using namespace slipway;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Input input(data, size);
  const auto choice = input.number<std::uint8_t>() % 9;
  const auto text = input.rest();
  const auto is_page_sound = [](const auto& page) { return !page || page->items.size() <= s3::answer_bytes_max; };
  switch (choice) {
  case 0: static_cast<void>(s3::read_refusal(text)); break;
  case 1: SLIPWAY_INVARIANT(is_page_sound(s3::read_objects(text))); break;
  case 2: SLIPWAY_INVARIANT(is_page_sound(s3::read_multiparts(text))); break;
  case 3:
    if (const auto page = s3::read_parts(text)) {
      for (const auto& part : page->items) SLIPWAY_INVARIANT(part.number >= 1 && part.number <= 10'000);
      // Whatever an ETag is made of, it is no markup in what is sent back.
      SLIPWAY_INVARIANT(!s3::read_refusal(s3::completion_of(page->items)));
    }
    break;
  case 4:
    if (const auto id = s3::read_upload_id(text)) SLIPWAY_INVARIANT(!id->empty());
    break;
  case 5:
    if (const auto keys = s3::read_role_keys(text)) SLIPWAY_INVARIANT(!keys->access_key.empty());
    break;
  case 6: static_cast<void>(s3::read_removals(text)); break;
  case 8:
    if (const auto page = s3::read_prefixes(text))
      for (const auto& prefix : page->items) SLIPWAY_INVARIANT(!prefix.empty());
    break;
  default:
    // A line break would end the header that a token is sent in.
    if (const auto keys = s3::read_credentials_file(text, "default"))
      SLIPWAY_INVARIANT((keys->access_key + keys->secret_key + keys->session_token).find('\n') == std::string::npos);
  }
  return 0;
}
