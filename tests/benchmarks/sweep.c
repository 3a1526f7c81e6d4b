/* The plain C kernel that the compiled sweep is measured against: the same sums, in the same order of neurons. */

#include <stdint.h>

typedef struct {
    const uint64_t *start; /* synapses onto neuron i are start[i] to start[i + 1] */
    const uint32_t *pre;
    const double *weight;
} Synapses;

typedef struct {
    int64_t populations, neurons;
    const int64_t *first;
    Synapses excitatory, inhibitory, plastic;
    const double *gain, *input_drive; /* by population */
    const double *bias, *scaling, *set_point_Hz, *maximal_Hz;
    double gaba_gain;
} Circuit;

static double weighted_sum(const Synapses *synapses, const double *x, int64_t i)
{
    double total = 0.0;
    for (uint64_t k = synapses->start[i]; k < synapses->start[i + 1]; k++)
        total += synapses->weight[k] * x[synapses->pre[k]];
    return total;
}

static void fire(const Circuit *c, const double *restrict x, double *restrict driven)
{
    for (int64_t k = 0; k < c->populations; k++) {
        for (int64_t i = c->first[k]; i < c->first[k + 1]; i++) {
            double excitation = weighted_sum(&c->excitatory, x, i) + weighted_sum(&c->plastic, x, i);
            double inhibition = c->gaba_gain * weighted_sum(&c->inhibitory, x, i);
            driven[i] = c->bias[i] + c->scaling[i] * (c->gain[k] * excitation - inhibition + c->input_drive[k]);
        }
    }
    for (int64_t i = 0; i < c->neurons; i++) {
        double drive = driven[i] > 0.0 ? driven[i] : 0.0, squared = drive * drive;
        driven[i] = c->maximal_Hz[i] * squared / (1.0 + squared) / c->set_point_Hz[i];
    }
}

/* An even number of sweeps, each from what the last one gave. */
void sweeps(const Circuit *c, double *x, double *other, int64_t count)
{
    for (int64_t k = 0; k < count; k += 2) {
        fire(c, x, other);
        fire(c, other, x);
    }
}
