"""Writes recorded.gguf, a small file of the reference writer. Run beside it; needs gguf==0.19.0, numpy."""

import numpy as np
from gguf import GGUFWriter

writer = GGUFWriter("recorded.gguf", "test")
writer.add_block_count(3)
writer.add_float32("test.epsilon", 1e-6)
writer.add_bool("test.flag", True)
writer.add_array("test.types", [1, 2, 3])
writer.add_array("test.tokens", ["a", "bé"])
writer.add_tensor("matrix.weight", np.arange(6, dtype=np.float16).reshape(2, 3))
writer.add_tensor("vector.weight", np.array([0.5, -1.5], dtype=np.float32))
writer.write_header_to_file()
writer.write_kv_data_to_file()
writer.write_tensors_to_file()
writer.close()
