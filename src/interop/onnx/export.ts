/** A trained model as an ONNX file, or as two if it has a decoder. */
import { Run } from '../../run/run.js';
import type { PredictorFormat } from '../predictor.js';
import { verify } from '../verify.js';
import { stateInputs, writeModel } from './model.js';
import { startOnnx } from './runtime.js';
import { encodeModel } from './writer.js';

export const onnx: PredictorFormat = {
  files(source) {
    const { saved, model, facts } = source;
    const { experiment, run } = model;
    const { steps, decoder } = source.spec;
    const { metrics } = Run.open(saved.path).summary ?? {};
    const known = { ...facts, metrics, steps, limit: decoder && run.decode?.limit };
    const about = {
      producerVersion: saved.manifest?.versions.cellrun ?? '',
      description: experiment.description ?? experiment.name,
      metadata: Object.fromEntries(
        Object.entries(known).flatMap(([key, value]) =>
          value === undefined ? [] : [[key, typeof value === 'string' ? value : JSON.stringify(value)]],
        ),
      ),
    };
    return new Map(
      Array.from(writeModel(source), ([name, graph]) => [name, [encodeModel({ ...about, graph })]]),
    );
  },
  verify: (files, source) => verify(source, () => startOnnx(files, stateInputs(source.spec))),
};
