#pragma once
// Files that hold many small blobs each. A file, a name and two flushes for a blob of 4 KiB would cost twenty times
// what its bytes do; here those who come together share one append and one flush.
//
//   packs/<name>   16 random hexadecimal digits; pack_format.hpp tells what is in it
//
// A pack is written by the process that made it, until it is full or a write fails; a new process makes a new one. So
// no byte that was flushed is ever written again, and half a batch is left only where a crash or the disk stopped it.

#include "blob/open_files.hpp"
#include "blob/store.hpp"

#include <condition_variable>
#include <deque>
#include <filesystem>
#include <mutex>
#include <unordered_map>

namespace slipway::blob {

/// Safe to call from any thread.
class Packs {
public:
  /// `store` has the folder packs/. A pack is full at `bytes_max`.
  explicit Packs(std::filesystem::path store, std::uint64_t bytes_max = pack_bytes_max)
      : m_store(std::move(store)), m_bytes_max(bytes_max) {}

  Result<std::vector<Location>> put(std::span<const SmallBlob> blobs);
  /// Its size is what it is now or, where it has `end` bytes at least, was at some time: packs only grow.
  Result<OpenFile> open(const std::string& key, std::uint64_t end = 0);
  Result<std::optional<std::uint64_t>> sealed_size(const std::string& key);
  Result<> remove(const std::string& key);
  /// Somebody puts another file in its place.
  void forget(const std::string& key);
  Result<> list(const std::function<void(const Location&)>& each);

private:
  /// One call of put().
  struct Waiting {
    std::span<const SmallBlob> blobs;
    Result<std::vector<Location>> result;
    bool done = false;
  };
  /// The pack that is written to.
  struct Current {
    std::string key;
    std::shared_ptr<const Fd> file;
    std::uint64_t size = 0;  // of what is durable
  };

  std::vector<Waiting*> take_batch();
  void write(const std::vector<Waiting*>& batch);
  Result<> append(ByteView bytes);
  Result<> begin_pack();
  void give_up_pack();
  void remember(const std::string& key, OpenFile opened);

  const std::filesystem::path m_store;
  const std::uint64_t m_bytes_max;

  std::mutex m_mutex;  // guards what follows
  std::condition_variable m_turn;
  std::deque<Waiting*> m_waiting;
  bool m_is_writing = false;  // whoever set it writes for those who wait
  std::string m_current_key;

  Current m_current;  // the writing caller's alone

  std::mutex m_open_mutex;  // guards the map
  std::unordered_map<std::string, OpenFile> m_open;
};

}  // namespace slipway::blob
