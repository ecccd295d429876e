// Scores PPM images by an exported model in OpenVINO: `detect part.onnx IMAGE.ppm...`

#include <cstdint>
#include <fstream>
#include <iostream>
#include <openvino/openvino.hpp>

int main(int count, char **arguments) {
  ov::Core core;
  auto model = core.compile_model(arguments[1], "CPU", ov::hint::inference_precision(ov::element::f32));
  auto request = model.create_infer_request();
  const auto size = model.input("image").get_partial_shape();  // N, height, width, 3
  ov::Tensor image(ov::element::u8, {1, size_t(size[1].get_length()), size_t(size[2].get_length()), 3});
  request.set_input_tensor(image);
  for (int index = 2; index < count; ++index) {
    std::ifstream file(arguments[index], std::ios::binary);
    std::string magic;
    size_t width, height, most;
    file >> magic >> width >> height >> most;
    file.get();
    if (magic != "P6" || most != 255 || ov::Shape{1, height, width, 3} != image.get_shape())
      return std::cerr << arguments[index] << ": expected a PPM file of the model's size\n", 2;
    file.read(reinterpret_cast<char *>(image.data<uint8_t>()), image.get_byte_size());
    request.infer();
    const bool anomalous = request.get_tensor("is_anomalous").data<const char>()[0];
    std::cout << arguments[index] << ": " << (anomalous ? "anomalous" : "good") << ", score "
              << request.get_tensor("score").data<const float>()[0] << ", p-value "
              << request.get_tensor("p_value").data<const float>()[0] << "\n";
  }
}
