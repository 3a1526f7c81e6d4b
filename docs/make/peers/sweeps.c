/* One sweep after another over the synapses, as plain as it can be written in C.

   The synapses onto neuron i are start[i] to start[i + 1]. */
#include <stdint.h>

void sweeps(int neurons, const int32_t *start, const int32_t *pre, const double *weight, const double *bias,
            const double *highest, double *x, double *driven, double share, int count)
{
    for (int sweep = 0; sweep < count; sweep++) {
        for (int i = 0; i < neurons; i++) {
            double drive = bias[i];
            for (int j = start[i]; j < start[i + 1]; j++)
                drive += weight[j] * x[pre[j]];
            double squared = drive > 0.0 ? drive * drive : 0.0;
            driven[i] = highest[i] * squared / (1.0 + squared);
        }
        for (int i = 0; i < neurons; i++)
            x[i] += share * (driven[i] - x[i]);
    }
}
