// The same as golden.py in onnxruntime-web (wasm, one thread) under Node: node golden.mjs FOLDER GOLDEN.json RUNTIME
import { readFileSync, readdirSync } from "node:fs";
import { createRequire } from "node:module";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";

const [folder, golden, runtime] = process.argv.slice(2);
const require = createRequire(pathToFileURL(join(resolve(runtime), "package.json")));
const ort = require("onnxruntime-web");
const { version } = JSON.parse(readFileSync(join(runtime, "node_modules/onnxruntime-web/package.json"), "utf8"));
ort.env.wasm.numThreads = 1;
ort.env.logLevel = "fatal";

const waveforms = Object.entries(JSON.parse(readFileSync(golden, "utf8")).waveforms).map(([name, text]) => {
  const bytes = Buffer.from(text, "base64");
  const samples = new Int16Array(bytes.buffer, bytes.byteOffset, bytes.length / 2);
  return [name, Float32Array.from(samples, (sample) => sample / 32768)];
});

async function runFile(file) {
  try {
    const session = await ort.InferenceSession.create(readFileSync(file), { executionProviders: ["wasm"] });
    const found = {};
    for (const [name, samples] of waveforms) {
      const results = await session.run({ waveform: new ort.Tensor("float32", samples, [1, samples.length]) });
      found[name] = Array.from(results.probabilities.data);
    }
    return found;
  } catch (error) {
    return { error: String(error.message ?? error).trim().split("\n")[0].slice(0, 200) };
  }
}

const schemes = {};
for (const name of readdirSync(folder).filter((name) => name.endsWith(".onnx")).sort()) {
  schemes[name.replace(/\.onnx$/, "")] = await runFile(join(folder, name));
}
console.log(JSON.stringify({ runtime: `onnxruntime-web ${version} (wasm, one thread, Node ${process.versions.node})`, schemes }));
