#pragma once
// Which request writes to which upload session in this process. The newest one wins: a client that lost its connection
// comes back before we notice, and must not wait for its dead self.

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <utility>

namespace slipway::oci {

/// Safe to call from any thread.
class ActiveUploads {
public:
  /// One request's hold on a session. Whoever writes locks it for each step and stops once it was revoked.
  struct Hold {
    std::mutex mutex;  // guards the two below
    bool revoked = false;
    std::function<void()> save;  ///< keeps what came so far; called once, on revocation
  };

  /// Revokes an older hold, waiting for the step it is in and having it save, and gives a new one. That may have been
  /// revoked in its turn: lock it and look, and keep it locked until the session is open.
  std::shared_ptr<Hold> claim(const std::string& upload) {
    auto hold = std::make_shared<Hold>();
    const std::lock_guard waiting(hold->mutex);  // so that an even newer one waits for the older one too
    std::shared_ptr<Hold> older;
    {
      const std::lock_guard lock(m_mutex);
      older = std::exchange(m_holds[upload], hold);
    }
    if (older) {
      const std::lock_guard lock(older->mutex);
      older->revoked = true;
      if (older->save) older->save();
    }
    return hold;
  }

  void release(const std::string& upload, const std::shared_ptr<Hold>& hold) {
    const std::lock_guard lock(m_mutex);
    if (const auto found = m_holds.find(upload); found != m_holds.end() && found->second == hold) m_holds.erase(found);
  }

private:
  std::mutex m_mutex;  // guards the map
  std::unordered_map<std::string, std::shared_ptr<Hold>> m_holds;
};

}  // namespace slipway::oci
