/** Power spectra of frames. */
import FFT from 'fft.js';

/**
 * Returns the function from a frame of `size` samples, a power of two of at least 4, to |FFT|² at
 * its first `size` / 2 + 1 frequencies, valid until the next call. The FFT of half the size has the
 * samples at even places as real and those at odd places as imaginary parts, which takes half the
 * time:
 *
 *     X_k = (Z_k + Z*_(N/2 - k)) / 2 - i e^(-2 pi i k / N) (Z_k - Z*_(N/2 - k)) / 2
 */
export function powerSpectrum(size: number): (frame: Float64Array) => Float64Array {
  const half = size / 2;
  const fft = new FFT(half);
  // the first number is also the last: Z has the period N/2
  const z = new Float64Array(size + 2);
  const angles = Array.from({ length: half + 1 }, (_, k) => (2 * Math.PI * k) / size);
  const [cosines, sines] = [Math.cos, Math.sin].map(of => Float64Array.from(angles, of));
  const power = new Float64Array(half + 1);
  return frame => {
    fft.transform(z, frame);
    z[size] = z[0];
    z[size + 1] = z[1];
    for (let k = 0; 2 * k <= half; k++) {
      const l = half - k;
      const evenReal = (z[2 * k] + z[2 * l]) / 2;
      const evenImaginary = (z[2 * k + 1] - z[2 * l + 1]) / 2;
      const oddReal = (z[2 * k + 1] + z[2 * l + 1]) / 2;
      const oddImaginary = (z[2 * l] - z[2 * k]) / 2;
      power[k] = powerOf(
        evenReal + cosines[k] * oddReal + sines[k] * oddImaginary,
        evenImaginary + cosines[k] * oddImaginary - sines[k] * oddReal,
      );
      // its even and odd parts are the conjugates of these
      power[l] = powerOf(
        evenReal + cosines[l] * oddReal - sines[l] * oddImaginary,
        evenImaginary + cosines[l] * oddImaginary + sines[l] * oddReal,
      );
    }
    return power;
  };
}

function powerOf(real: number, imaginary: number): number {
  return real * real + imaginary * imaginary;
}
