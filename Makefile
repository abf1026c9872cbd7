# SPDX-License-Identifier: Apache-2.0
# A thin face on CMake: each target is one line of work or one script.
BUILD ?= build

.PHONY: all clean
all: $(BUILD)/build.ninja
	@cmake --build $(BUILD)

$(BUILD)/build.ninja: CMakeLists.txt test/CMakeLists.txt
	@cmake -G Ninja -S . -B $(BUILD) >/dev/null

clean:
	rm -rf build
