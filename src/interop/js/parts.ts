/** What only some models can do. The build bundles each part only with the modules that need it. */
import { recordingReader, sampleReader } from '../../data/audio/program-readers.js';
import { continueSymbols, continueText } from '../../predict/generate.js';

export { stepReaders as columns } from '../../data/core/feature-columns.js';
export { forecastReader as series } from '../../data/forecast/input.js';
export { StepModel as session } from '../../predict/session.js';

export const recordings = { sampleReader, recordingReader };
export const generate = { continueSymbols, continueText };
