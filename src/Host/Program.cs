using VarianceActors.Host.Commands;

return await VarianceCommand.RunAsync(args, Console.Out, Console.Error);
