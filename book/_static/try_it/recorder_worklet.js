// Runs in the audio thread: averages the channels of the microphone and hands them over in blocks.

const BLOCK = 4096; // samples

class Recorder extends AudioWorkletProcessor {
  constructor() {
    super();
    this.block = new Float32Array(BLOCK);
    this.filled = 0;
    this.stopped = false;
    this.port.onmessage = () => (this.stopped = true);
  }

  process([channels]) {
    for (let i = 0; i < (channels[0]?.length ?? 0); i++) {
      this.block[this.filled++] = channels.reduce((sum, samples) => sum + samples[i], 0) / channels.length;
      if (this.filled === BLOCK) this.handOver();
    }
    if (this.stopped) {
      this.handOver();
      this.port.postMessage(null);
    }
    return !this.stopped;
  }

  handOver() {
    if (this.filled) this.port.postMessage(this.block.slice(0, this.filled));
    this.filled = 0;
  }
}

registerProcessor("recorder", Recorder);
