"""A linear regression in plain Python: weight from height, fitted by least squares."""

# Height in centimetres, weight in kilograms.
SAMPLES = [(150, 52.0), (160, 58.5), (165, 62.0), (170, 65.5), (180, 73.0), (190, 80.0)]


class Model:
    """A straight line: ``intercept + slope * x``."""

    def __init__(self, intercept, slope):
        self.intercept = intercept
        self.slope = slope

    def predict(self, x):
        """The value of the line at ``x``."""
        return self.intercept + self.slope * x


def fit(samples):
    """The line with the least squared error through ``samples``, pairs of numbers."""
    if len({x for x, _ in samples}) < 2:
        raise ValueError("a line needs two different x values")
    count = len(samples)
    mean_x = sum(x for x, _ in samples) / count
    mean_y = sum(y for _, y in samples) / count
    spread = sum((x - mean_x) ** 2 for x, _ in samples)
    slope = sum((x - mean_x) * (y - mean_y) for x, y in samples) / spread
    return Model(mean_y - slope * mean_x, slope)


if __name__ == "__main__":
    print(f"175 cm: {fit(SAMPLES).predict(175):.1f} kg")
