"""Speed of skrnn and of what else trains recurrent networks on a CPU, measured side by side."""
