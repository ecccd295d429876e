// Scores image files from several threads with one model: handles that free themselves, errors as exceptions.
//
//   c++ -std=c++17 detect.cpp $(pkg-config --cflags --libs nfbmr) -pthread -o detect
//   ./detect part.nfbmr new-parts/*.png
#include <nfbmr.h>

#include <exception>
#include <future>
#include <iostream>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

struct Free {
  void operator()(NfbmrModel *model) const { nfbmr_model_free(model); }
  void operator()(NfbmrDetection *detection) const { nfbmr_detection_free(detection); }
};
using Model = std::unique_ptr<NfbmrModel, Free>;
using Detection = std::unique_ptr<NfbmrDetection, Free>;

void check(NfbmrStatus status) {
  // The words are of this thread: take them before another call.
  if (status != NFBMR_STATUS_OK) throw std::runtime_error(nfbmr_last_error());
}

Model load(const std::string &path) {
  NfbmrModel *model = nullptr;
  check(nfbmr_load(path.c_str(), nullptr, &model));
  return Model(model);
}

Detection detect(const NfbmrModel &model, const std::string &path) {
  NfbmrDetection *detection = nullptr;
  check(nfbmr_detect_file(&model, path.c_str(), &detection));
  return Detection(detection);
}

int main(int argc, char **argv) try {
  if (argc < 3) throw std::runtime_error("usage: detect MODEL IMAGE ...");
  if (nfbmr_abi_version() != NFBMR_ABI_VERSION) throw std::runtime_error("libnfbmr is of another ABI");
  const Model model = load(argv[1]);

  std::vector<std::future<Detection>> detections;
  for (int i = 2; i < argc; i++) {
    const std::string path = argv[i];
    detections.push_back(std::async(std::launch::async, [&model, path] { return detect(*model, path); }));
  }
  bool defects = false;
  for (auto &detected : detections) {
    const Detection detection = detected.get();
    NfbmrResult result;
    check(nfbmr_detection_result(detection.get(), &result));
    defects |= result.is_anomalous == 1;
    std::cout << nfbmr_detection_json(detection.get()) << '\n';
  }
  return defects;
} catch (const std::exception &error) {
  std::cerr << error.what() << '\n';
  return 2;
}
