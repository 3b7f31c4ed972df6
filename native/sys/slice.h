// How soon the scheduler runs a thread that wakes.
#pragma once

namespace attestd {

// Asks for short slices for the calling thread; changes nothing where the kernel or a filter does not allow it.
void askForShortSlices();

}  // namespace attestd
