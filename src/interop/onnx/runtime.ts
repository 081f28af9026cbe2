/** Runs ONNX files with onnxruntime-node, an optional package. */
import { pathToFileURL } from 'node:url';
import { optionalFile } from '../../util/root.js';
import type { Inputs, Runtime } from '../verify.js';
import type { ValueInfo } from './writer.js';

interface Tensor {
  readonly data: Float32Array;
  readonly dims: readonly number[];
}

interface OnnxRuntime {
  readonly InferenceSession: {
    create(file: Uint8Array): Promise<{
      run(inputs: Readonly<Record<string, unknown>>): Promise<Readonly<Record<string, Tensor>>>;
    }>;
  };
  readonly Tensor: new (type: string, data: Float32Array | BigInt64Array, dims: readonly number[]) => unknown;
}

const PACKAGE = 'onnxruntime-node';

async function runtime(): Promise<OnnxRuntime | undefined> {
  const found = optionalFile(PACKAGE);
  if (found === undefined) return undefined;
  const { default: module } = (await import(pathToFileURL(found).href)) as { default: OnnxRuntime };
  return module;
}

/** @param states inputs for what one batch carries to the next, which is an output `next_NAME` */
export async function startOnnx(file: Uint8Array, states: readonly ValueInfo[]): Promise<Runtime | string> {
  const ort = await runtime();
  if (!ort) return `the optional package '${PACKAGE}' is not installed (npm install ${PACKAGE})`;
  const session = await ort.InferenceSession.create(file);
  let carried: Record<string, unknown> = {};
  return {
    name: PACKAGE,
    async outputs(inputs: Inputs, continues: boolean) {
      if (!continues) carried = zeros(ort, states, inputs.lengths.data.length);
      const given = Object.entries(inputs).map(([name, { type, data, shape }]) => [
        name,
        new ort.Tensor(type, data, shape),
      ]);
      const results = await session.run({ ...Object.fromEntries(given), ...carried });
      carried = Object.fromEntries(states.map(({ name }) => [name, results[`next_${name}`]]));
      return (results.logits ?? results.values).data;
    },
    close() {},
  };
}

function zeros(ort: OnnxRuntime, states: readonly ValueInfo[], rows: number): Record<string, unknown> {
  const zero = ({ name, shape }: ValueInfo) => {
    const sizes = shape.map(size => (typeof size === 'number' ? size : rows));
    const count = sizes.reduce((product, size) => product * size, 1);
    return [name, new ort.Tensor('float32', new Float32Array(count), sizes)];
  };
  return Object.fromEntries(states.map(zero));
}
