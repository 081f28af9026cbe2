/**
 * One step after the other: a session of an exported module, and onnxruntime-web with one thread,
 * whose states are passed on. Runs in Node and in a page.
 */
const STEPS = 200;
/** Of the largest logit. */
const TOLERANCE = 1e-5;

/**
 * @param module, runtime addresses of both
 * @param graph the ONNX file of the same model, as bytes
 * @returns milliseconds of a step, of each round
 */
export async function measure({ module, runtime, graph, rounds }) {
  const [{ session }, { env, InferenceSession, Tensor }] = [await import(module), await import(runtime)];
  env.wasm.numThreads = 1;
  const peer = await InferenceSession.create(graph, { executionProviders: ['wasm'] });
  const sizeOf = name => peer.inputMetadata.find(one => one.name === name).shape.at(-1);
  const states = peer.inputNames.filter(name => name.startsWith('state.'));
  const zeros = name => new Tensor('float32', new Float32Array(sizeOf(name)), [1, 1, sizeOf(name)]);
  let passed = Object.fromEntries(states.map(name => [name, zeros(name)]));
  const width = sizeOf('x');
  const lengths = new Tensor('int64', BigInt64Array.of(1n), [1]);
  const inputs = Array.from({ length: STEPS }, (_, t) =>
    Float32Array.from({ length: width }, (_, i) => Math.sin(t * width + i)),
  );
  const own = session();
  const contenders = [
    async values => (await own.step(values)).logits,
    async values => {
      const results = await peer.run({ ...passed, lengths, x: new Tensor('float32', values, [1, 1, width]) });
      passed = Object.fromEntries(states.map(name => [name, results[`next_${name}`]]));
      return results.logits.data;
    },
  ];
  const times = contenders.map(() => []);
  // the first round makes both ready
  for (let round = -1; round < rounds; round++) {
    const outputs = [];
    for (const [i, step] of contenders.entries()) {
      const began = performance.now();
      for (const values of inputs) outputs[i] = await step(values);
      if (round >= 0) times[i].push((performance.now() - began) / STEPS);
    }
    const [ours, theirs] = outputs;
    const farthest = Math.max(...ours.map((value, i) => Math.abs(value - theirs[i])));
    if (!(farthest <= TOLERANCE * Math.max(...ours.map(Math.abs)))) throw new Error(`${ours} and ${theirs}`);
  }
  return times;
}
