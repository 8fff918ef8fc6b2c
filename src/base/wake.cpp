#include "base/wake.hpp"

#include <sys/eventfd.h>

namespace slipway {

Wake::Wake() : m_fd(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) { SLIPWAY_INVARIANT(m_fd); }

void Wake::ring() const { ::eventfd_write(m_fd.get(), 1); }

void Wake::clear() const {
  eventfd_t rings = 0;
  ::eventfd_read(m_fd.get(), &rings);
}

}  // namespace slipway
